"""The connections to Redis that `async_chat` reads itself, and a Redis that is killed, frozen or silent meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.exceptions import ConnectionError, InvalidResponse, NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from async_chat import line
from async_chat.line import ANSWER_TIMEOUT, Line, Subscription
from chat_core.settings import Settings, read
from stack.redis import RedisServer

Run = Callable[[Any], None]


@pytest.fixture
def settings(redis_server: RedisServer) -> Settings:
    return read("async", {"CHAT_REDIS_URL": redis_server.url})


@asynccontextmanager
async def opened(settings: Settings, *channels: str) -> AsyncIterator[Subscription]:
    subscription = Subscription(settings)
    try:
        await subscription.open(channels, 2)
        yield subscription
    finally:
        await subscription.close()


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Line]:
    commands = Line(settings)
    try:
        yield commands
    finally:
        await commands.close()


def test_answers_and_errors_come_to_who_asked_on_one_connection(run: Run, settings: Settings) -> None:
    async def check() -> None:
        async with started(settings) as commands:
            connection = await commands.execute_command("CLIENT", "ID")
            assert await commands.execute_command("ECHO", b"\xff" * 300_000) == b"\xff" * 300_000
            with pytest.raises(NoScriptError):
                await commands.execute_command("EVALSHA", "0" * 40, 0)
            with pytest.raises(ResponseError, match="unknown command"):
                await commands.execute_command("NONSENSE")
            assert await commands.execute_command("GET", "absent") is None
            assert await commands.execute_command("CLIENT", "ID") == connection

    run(check())


def test_a_command_is_given_up_in_time_and_its_late_answer_is_nobodys(
    run: Run, settings: Settings, redis_server: RedisServer
) -> None:
    async def check() -> None:
        async with started(settings) as commands:
            await commands.execute_command("PING")
            redis_server.freeze()
            try:
                began = time.monotonic()
                with pytest.raises(RedisTimeoutError):
                    await commands.execute_command("ECHO", "late")
                assert ANSWER_TIMEOUT * 0.9 < time.monotonic() - began < ANSWER_TIMEOUT * 3
            finally:
                redis_server.thaw()
            assert await commands.execute_command("ECHO", "mine") == b"mine"

    run(check())


def test_the_answer_to_a_cancelled_command_is_nobodys(run: Run, settings: Settings) -> None:
    async def check() -> None:
        async with started(settings) as commands:
            connection = await commands.execute_command("CLIENT", "ID")
            waiting = asyncio.create_task(commands.execute_command("BLPOP", "nothing", "0.1"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await commands.execute_command("CLIENT", "ID") > connection

    run(check())


def test_who_waits_when_the_connection_breaks_is_told_and_the_next_gets_another(
    run: Run, settings: Settings, redis: Any
) -> None:
    async def check() -> None:
        async with started(settings) as commands:
            connection = await commands.execute_command("CLIENT", "ID")
            waiting = asyncio.create_task(commands.execute_command("BLPOP", "nothing", "0.4"))
            await until(lambda: redis.client_list(client_id=[connection])[0]["cmd"] == "blpop")
            redis.client_kill_filter(_id=connection)
            with pytest.raises(ConnectionError):
                await waiting
            assert await commands.execute_command("CLIENT", "ID") > connection

    run(check())


def test_who_gets_what_is_no_answer_is_told_and_the_next_gets_another_connection(run: Run, settings: Settings) -> None:
    async def check() -> None:
        async with started(settings) as commands:
            connection = await commands.execute_command("CLIENT", "ID")
            waiting = asyncio.create_task(commands.execute_command("BLPOP", "nothing", "0.4"))
            await asyncio.sleep(0)
            commands.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with pytest.raises(InvalidResponse):
                await waiting
            assert await commands.execute_command("CLIENT", "ID") > connection

    run(check())


def test_a_push_is_no_answer_and_an_answer_to_nothing_ends_the_connection(run: Run, settings: Settings) -> None:
    async def check() -> None:
        async with started(settings) as commands:
            connection = await commands.execute_command("CLIENT", "ID")
            waiting = asyncio.create_task(commands.execute_command("ECHO", "mine"))
            await asyncio.sleep(0)
            commands.data_received(b">3\r\n$9\r\nMIGRATING\r\n:1\r\n:15\r\n")
            assert await waiting == b"mine"
            assert await commands.execute_command("CLIENT", "ID") == connection
            commands.data_received(b":1\r\n")
            assert await commands.execute_command("CLIENT", "ID") > connection

    run(check())


def test_publications_come_in_order_and_all_that_has_come_at_once(run: Run, settings: Settings, redis: Any) -> None:
    async def check() -> None:
        async with opened(settings, "one", "two") as subscription:
            assert await subscription.receive(0.01) == []
            with redis.pipeline(transaction=False) as pipeline:
                for number in range(1200):
                    pipeline.publish(("one", "two")[number % 2], f"{number}")
                pipeline.execute()
            received: list[bytes] = []
            most = 0
            while len(received) < 1200:
                taken = await subscription.receive(2)
                assert taken, "nothing came"
                most = max(most, len(taken))
                received += taken
            assert received == [b"%d" % number for number in range(1200)]
            assert 1 < most <= line.MOST_DRAINED
            assert await subscription.receive(0.01) == []

    run(check())


def test_who_does_not_take_leaves_the_rest_to_redis_and_loses_nothing(
    run: Run, settings: Settings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "MOST_UNTAKEN", 100_000)

    def behind() -> int:
        return max(int(client["omem"]) for client in redis.client_list(_type="pubsub"))

    async def check() -> None:
        async with opened(settings, "much") as subscription:
            for _ in range(100):
                redis.publish("much", b"x" * 100_000)
                await asyncio.sleep(0)
            await until(lambda: behind() > 1_000_000)
            received = 0
            while received < 100:
                taken = await subscription.receive(2)
                assert all(data == b"x" * 100_000 for data in taken)
                assert taken, "nothing came"
                received += len(taken)
            assert received == 100
            await until(lambda: behind() == 0)

    run(check())


def test_what_came_before_the_end_is_delivered_and_then_the_end_told(run: Run, settings: Settings, redis: Any) -> None:
    async def check() -> None:
        async with opened(settings, "one") as subscription:
            redis.publish("one", "last")
            redis.client_kill_filter(_type="pubsub")
            assert await subscription.receive(2) == [b"last"]
            with pytest.raises(ConnectionError):
                await subscription.receive(2)

    run(check())


def test_a_redis_that_does_not_confirm_is_given_up(run: Run, settings: Settings, redis_server: RedisServer) -> None:
    async def check() -> None:
        subscription = Subscription(settings)
        began = time.monotonic()
        redis_server.freeze()
        try:
            with pytest.raises((RedisError, OSError)):
                await subscription.open(["one"], 0.2)
        finally:
            redis_server.thaw()
            await subscription.close()
        assert time.monotonic() - began < 3

    run(check())


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not fact():  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.01)
