"""Backends that are attacked: each profile once, with short patience, and a bystander who must notice nothing."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import psutil
import pytest
import pytest_asyncio
import redis

from async_chat.line import MOST_AT_ONCE
from stack.backends import Backend
from tests.wire.client import Chat, Message, Refused, fresh_id
from tests.wire.people import fresh_room, signed
from tests.wire.rest import Rest
from tests.wire.servers import Servers

PROFILES: Final = ("async", "async-portable", "sync", "sync-gevent")
HANDSHAKE: Final = 1.0
PING: Final = 1.0
"""Seconds between two pings, and those that an answer to one may take."""
SETTINGS: Final = {
    "CHAT_HANDSHAKE_TIMEOUT": str(HANDSHAKE),
    "CHAT_PING_INTERVAL": str(PING),
    "CHAT_PING_TIMEOUT": str(PING),
    "CHAT_OUTBOX_SOFT": "32768",
    "CHAT_OUTBOX_HARD": "131072",
    "CHAT_CONNECTION_RATE": "0",
}
PATIENCE: Final = 10.0
SPARE_DESCRIPTORS: Final = 4 + MOST_AT_ONCE
"""HTTP connections of the tests' own, and connections to Redis that are kept for the next time many ask at once."""


@pytest.fixture(scope="session", params=PROFILES)
def wary(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Backend]:
    """A backend with short patience."""
    if not servers.redis.running:
        servers.redis.start()
    with servers.unstarted(request.param, settings=SETTINGS) as backend:
        yield backend


# ---- what a backend holds --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Footprint:
    """What the processes of a backend hold; ``resident`` in bytes."""

    connections: int
    descriptors: int
    threads: int
    subscriptions: int
    resident: int

    def left_over(self, before: "Footprint") -> bool:
        """Whether more is held than ``before``, but for what may come and go."""
        more = self.connections > before.connections or self.descriptors > before.descriptors + SPARE_DESCRIPTORS
        return more or self.subscriptions != before.subscriptions


class Scales:
    """Weighs a backend."""

    def __init__(self, backend: Backend, servers: Servers, http: Rest) -> None:
        self._backend, self._servers, self._http = backend, servers, http

    def weigh(self) -> Footprint:
        """Return what the backend holds now."""
        processes = [psutil.Process(pid) for pid in self._backend.pids()]
        return Footprint(
            self.metric("chat_connections_open"),
            sum(process.num_fds() for process in processes),
            sum(process.num_threads() for process in processes),
            self._subscriptions(),
            sum(process.memory_info().rss for process in processes),
        )

    def _subscriptions(self) -> int:
        with redis.Redis.from_url(self._servers.redis.url) as client:
            channels = client.pubsub_channels()
            return sum(count for _, count in client.pubsub_numsub(*channels))

    def metric(self, name: str) -> int:
        """Return a value of /metrics; 0 where it is not there."""
        lines = self._http.get(f"{self._backend.url}/metrics").text.splitlines()
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines if line.rsplit(" ", 1)[0] == name)

    async def until(self, fact: Callable[[], object], within: float = PATIENCE) -> float:
        """Wait until ``fact`` is true; returns the seconds that it took."""
        began = time.monotonic()
        while not await asyncio.to_thread(fact):
            assert time.monotonic() - began < within, f"not within {within} s: {self.weigh()}"
            await asyncio.sleep(0.05)
        return time.monotonic() - began


@pytest.fixture
def scales(wary: Backend, servers: Servers, http: Rest) -> Scales:
    """Weighs the backend under attack."""
    return Scales(wary, servers, http)


# ---- who must notice nothing -----------------------------------------------------------------------------------------


class Bystander:
    """Posts to a room all along, and reads what another member posts there."""

    def __init__(self, speaker: Chat, listener: Chat, room: str) -> None:
        self._speaker, self._listener, self.room = speaker, listener, room
        self._task = asyncio.create_task(self._converse())
        self.slowest = 0.0
        """Seconds that the slowest message took from its command to the listener."""
        self.posted = 0

    async def _converse(self) -> None:
        while True:
            began = time.monotonic()
            text = f"message {self.posted}"
            await self._post(text)
            await self._listener.expect(Message, partial(_says, text))
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.posted += 1
            await asyncio.sleep(0.02)

    async def _post(self, text: str) -> None:
        """Post as every client is to: `unavailable`, on a machine that is busy, means once more with the same id."""
        id = fresh_id()
        while True:
            try:
                await self._speaker.post(self.room, text, id)
            except Refused as refused:
                if refused.refusal.code != "unavailable":
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def stop(self) -> None:
        """Cease; raises what went wrong. The clients hold each frame and the order of all to the promise."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


@pytest_asyncio.fixture
async def bystander(wary: Backend) -> AsyncIterator[Bystander]:
    """Two healthy members of a room, to whom nothing may happen."""
    room = fresh_room()
    speaker, listener = [await _member(wary, name, room) for name in ("Ada", "Bob")]
    watched = Bystander(speaker, listener, room)
    async with asyncio.timeout(PATIENCE):
        while not watched.posted:  # noqa: ASYNC110 - a quick test would be over before there was anything to disturb
            await asyncio.sleep(0.02)
    yield watched
    await watched.stop()
    await speaker.close()
    await listener.close()
    assert watched.posted
    assert watched.slowest < 5, "they noticed"


def _says(text: str, message: Message) -> bool:
    return message.text == text


async def _member(backend: Backend, name: str, room: str) -> Chat:
    chat = await Chat.connect(backend.ws_url, signed(name=name).token)
    await chat.join(room)
    return chat
