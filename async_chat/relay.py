"""How publications reach this process: one subscription to all shards, and a probe that proves that it delivers.

The relay is the only owner of the Pub/Sub connection. Delivery counts as working only while a probe, published the way
of every publication, came back lately; a connection that looks healthy is taken for nothing.

Every subscription is proved anew, at once: what was published while there was none is missing, and a room in which
nobody speaks would lack it until somebody does.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from redis.exceptions import RedisError

from async_chat.bus import Bus
from async_chat.line import Subscription
from chat_core import keys
from chat_core.log import Unavailable
from chat_core.metrics import Metrics
from chat_core.settings import Settings
from launch.workers import prove

logger = logging.getLogger(__name__)

PROBE_INTERVAL: Final = 2.0
PROBE_TIMEOUT: Final = 5.0
RETRY_CAP: Final = 0.5


class Receiver(Protocol):
    """Who the relay delivers to."""

    async def deliver(self, envelopes: Sequence[bytes]) -> None:
        """Take publications, in the order in which Redis sent them."""

    def names(self) -> list[str]:
        """Return the rooms that are to be compared with Redis."""

    def verify(self, tops: dict[str, tuple[str, int]]) -> None:
        """Take epoch and top of rooms, all publications up to which have been delivered if none was lost."""

    def announce(self, delivering: bool) -> None:
        """Delivery stopped working, or works again."""


class Relay:
    """See the module. ``proved_at`` is the monotonic time of the last probe that came back."""

    def __init__(self, bus: Bus, settings: Settings, metrics: Metrics) -> None:
        self.proved_at = float("-inf")
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self._returning: dict[bytes, asyncio.Event] = {}
        self._term: object | None = None  # the subscription there is: what proved an earlier one proves nothing
        self._subscribed = asyncio.Event()
        self._delivering = False
        self._probed_at = float("-inf")
        self._heard_at = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def delivering(self) -> bool:
        """Whether delivery works."""
        return time.monotonic() - self.proved_at < PROBE_TIMEOUT

    def start(self, receiver: Receiver) -> None:
        """Begin to deliver to ``receiver``, and to prove it."""
        self._tasks = [asyncio.create_task(self._relay(receiver)), asyncio.create_task(self._prove(receiver))]

    async def stop(self) -> None:
        """Deliver no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def returned(self, probe: bytes) -> None:
        """A probe came back; those of other processes mean nothing here."""
        if event := self._returning.get(probe):
            event.set()

    # ---- the subscription -----------------------------------------------------------------------

    async def _relay(self, receiver: Receiver) -> None:
        while True:
            try:
                await self._listen(receiver)
            except Exception as error:
                if not isinstance(error, RedisError | OSError):
                    logger.exception("the relay failed; it begins anew")
                self._lost(receiver, error)
                await asyncio.sleep(random.uniform(0.02, RETRY_CAP))  # noqa: S311 - jitter

    async def _listen(self, receiver: Receiver) -> None:
        subscription = Subscription(self._settings)
        try:
            await subscription.open([keys.channel(shard) for shard in self._bus.shards], PROBE_TIMEOUT)
            since = time.monotonic()
            self._give_up_probes()
            self._term = object()
            self._subscribed.set()
            while True:
                if publications := await subscription.receive(1.0):
                    self._heard_at = time.monotonic()
                    # The outcomes of these commits were read in the same round of the loop. Settled first, a reply is
                    # one write with the copy of its author.
                    await asyncio.sleep(0)
                    await receiver.deliver(publications)
                elif time.monotonic() - max(since, self.proved_at) > PROBE_TIMEOUT:
                    raise ConnectionError(f"no probe came back for {PROBE_TIMEOUT:g} s")
        finally:
            await subscription.close()

    def _lost(self, receiver: Receiver, error: Exception) -> None:
        self._term, self.proved_at = None, float("-inf")
        self._give_up_probes()
        self._metrics.bus_reconnects.inc()
        self._judge(receiver, error)

    def _give_up_probes(self) -> None:
        """Wake who waits for probes that were sent under an earlier subscription: they do not come back."""
        for probe in self._returning.values():
            probe.set()

    # ---- the proof ------------------------------------------------------------------------------

    async def _prove(self, receiver: Receiver) -> None:
        while True:
            if time.monotonic() >= self._probed_at + PROBE_INTERVAL or not (self._bus.answering and self.delivering):
                await self._probe_all(receiver)
            self._judge(receiver, None)
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_CAP / 2):
                    await self._subscribed.wait()
            self._subscribed.clear()

    async def _probe_all(self, receiver: Receiver) -> None:
        """Send a probe through every shard and wait for all."""
        if not await self._bus.recheck() or (term := self._term) is None:
            return
        self._probed_at = time.monotonic()
        rooms = receiver.names()
        for shard in self._bus.shards:
            try:
                tops = await self._probe(term, shard, [room for room in rooms if self._bus.shard(room) == shard])
            except (Unavailable, TimeoutError):
                return
            receiver.verify(tops)
        self.proved_at = time.monotonic()
        prove(self._settings.runtime_dir)

    async def _probe(self, term: object, shard: int, rooms: list[str]) -> dict[str, tuple[str, int]]:
        probe = f"{self._bus.process}.{time.monotonic_ns()}"
        back = self._returning[probe.encode()] = asyncio.Event()
        try:
            tops = await self._bus.probe(shard, probe, rooms)
            if not await self._comes_back(back) or self._term is not term:
                raise TimeoutError
        finally:
            del self._returning[probe.encode()]
        return tops

    async def _comes_back(self, back: asyncio.Event) -> bool:
        """Wait for a probe; longer while anything comes, because then it is late and not lost."""
        for patience in (PROBE_INTERVAL, PROBE_TIMEOUT - PROBE_INTERVAL):
            began = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    return await back.wait()
            if self._heard_at < began:
                break
        return False

    def _judge(self, receiver: Receiver, error: Exception | None) -> None:
        """Say so where delivery stopped or began to work."""
        if self.delivering == self._delivering:
            return
        self._delivering = self.delivering
        if self._delivering:
            logger.info("delivery works")
        else:
            logger.warning("delivery stopped: %s", error or "no probe came back")
        receiver.announce(self._delivering)
