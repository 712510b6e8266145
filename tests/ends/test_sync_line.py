"""The subscription of `sync_chat`, and a Redis that is cut off or frozen meanwhile."""

import time
from contextlib import closing
from typing import Any

import pytest
from redis.exceptions import RedisError

from chat_core.settings import Settings, read
from stack.redis import RedisServer
from sync_chat import line
from sync_chat.line import Subscription


@pytest.fixture
def settings(redis_server: RedisServer) -> Settings:
    return read("sync", {"CHAT_REDIS_URL": redis_server.url})


def test_publications_come_in_order_and_all_that_has_come_at_once(settings: Settings, redis: Any) -> None:
    with closing(Subscription(settings)) as subscription:
        subscription.open(["one", "two"], 2)
        assert subscription.receive(0.01) == []
        with redis.pipeline(transaction=False) as pipeline:
            for number in range(1200):
                pipeline.publish(("one", "two")[number % 2], f"{number}")
            pipeline.execute()
        received: list[list[bytes]] = []
        while sum(map(len, received)) < 1200:
            received.append(subscription.receive(2))
            assert received[-1], "nothing came"
        assert [data for taken in received for data in taken] == [b"%d" % number for number in range(1200)]
        assert 1 < max(map(len, received)) <= line.MOST_DRAINED
        assert subscription.receive(0.01) == []


def test_what_came_before_the_end_is_delivered_and_then_the_end_told(settings: Settings, redis: Any) -> None:
    with closing(Subscription(settings)) as subscription:
        subscription.open(["one"], 2)
        redis.publish("one", "last")
        redis.client_kill_filter(_type="pubsub")
        assert subscription.receive(2) == [b"last"]
        for _ in range(2):
            with pytest.raises(RedisError):
                subscription.receive(2)


def test_a_redis_that_does_not_confirm_is_given_up(settings: Settings, redis_server: RedisServer) -> None:
    began = time.monotonic()
    with closing(Subscription(settings)) as subscription:
        redis_server.freeze()
        try:
            with pytest.raises((RedisError, OSError)):
                subscription.open(["one"], 0.2)
        finally:
            redis_server.thaw()
    assert time.monotonic() - began < 3
