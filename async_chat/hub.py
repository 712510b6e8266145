"""The connections of this process: what the relay delivers is written to all members of a room at once.

A live member costs one ``write`` of bytes that all members share; nothing is queued, woken, parsed or encoded for it
alone. Everything runs in the event loop's thread: what stands between two awaits happens in one step.
"""

import asyncio
import logging
import random
import resource
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from async_chat.bus import Bus
from async_chat.outbox import Outbox
from async_chat.relay import Relay
from chat_core import codec, disconnects
from chat_core.admission import capacity
from chat_core.limits import TokenBucket
from chat_core.log import Page, Unavailable
from chat_core.metrics import Metrics
from chat_core.registry import Participant, Registry, Signal
from chat_core.rooms import Admission, Flush, Room
from chat_core.settings import Settings

logger = logging.getLogger(__name__)

YIELD_EVERY: Final = 200
"""Writes after which a flush lets the loop do what else is due, such as REST and handshakes."""
ADMIT_TIMEOUT: Final = 5.0
"""Seconds in which a room comes where its log is, or a join is told that it cannot."""
CATCH_UP_PAUSE: Final = 0.025
"""Seconds between two flushes of a room that is so far behind that one would make members with empty outboxes slow."""
FORGET_AFTER: Final = 30 * 24 * 3600
FORGET_TICKS: Final = 3600
DRAIN_PAUSE: Final = 0.05
"""Seconds between two that are sent away, or less where the drain time is short: so few take no ten seconds."""


class Member(Participant, Protocol):
    """A connection, as the hub sees it."""

    outbox: Outbox

    @property
    def rooms(self) -> set[str]:
        """The rooms of which it is a member."""

    def look(self, now: float, wall: float) -> None:
        """Twice per ping interval: see whether the peer still lives."""

    def dropped(self, room: str) -> None:
        """The hub has ended its membership of ``room``."""


class Hub:
    """See the module. While ``draining``, no connection is let in."""

    def __init__(self, bus: Bus, relay: Relay, settings: Settings, metrics: Metrics) -> None:
        self.draining = False
        self._bus = bus
        self._relay = relay
        self._settings = settings
        most = capacity(settings, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._limits = most, settings.max_connections_per_user
        self._flush_bytes = settings.outbox_hard // 4
        self._metrics = metrics
        arrivals = TokenBucket(settings.connection_rate, settings.connection_burst)
        self._registry: Registry[Member] = Registry(bus.process, round(settings.ping_interval / 2), arrivals)
        self._admissions: dict[tuple[str, Member], asyncio.Future[bool]] = {}
        self._stale: set[Member] = set()
        self._flushing = asyncio.Lock()  # guards the order of what a member gets: one flush at a time
        self._parked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def open(self) -> int:
        """The number of connections, those about to open included."""
        return self._registry.seats

    def start(self) -> None:
        """Begin to tick and to fill gaps."""
        self._tasks = [asyncio.create_task(self._tick_forever()), asyncio.create_task(self._fill_forever())]

    async def stop(self) -> None:
        """End what was started."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- connections and membership -------------------------------------------------------------

    def check_seat(self, user: str) -> None:
        """Raise Refused (503) where one more connection of the user with that id is over a limit."""
        self._registry.check_seat(user, *self._limits, time.monotonic())

    def take_seat(self, user: str) -> None:
        """Keep a place for a connection of that user that is about to open; raise Refused (503) as above."""
        self._registry.take_seat(user, *self._limits, time.monotonic())

    def leave_seat(self, user: str) -> None:
        """The connection of that user did not come to be."""
        self._registry.leave_seat(user)

    def add(self, connection: Member) -> None:
        """``connection`` is open, on a seat that was taken for it."""
        self._registry.add(connection)
        self._metrics.connected()
        if not self._relay.delivering:
            self._signal([Signal(codec.push("notice", notice="degraded"), (connection,))])
        if self.draining:  # admitted just before, and perhaps not among those whom the drain sends away
            connection.outbox.close(disconnects.RESTART)

    def remove(self, connection: Member, rooms: Sequence[str]) -> None:
        """``connection`` is closed, and with it its membership of ``rooms``."""
        self._registry.remove(connection, rooms, time.monotonic())
        self._stale.discard(connection)

    def enter(self, name: str, connection: Member) -> None:
        """``connection`` is about to read its page of the room."""
        self._registry.enter(name, connection)

    async def admit(self, name: str, connection: Member, page: Page, payload: bytes) -> bool:
        """Make ``connection`` a member where ``page`` ends; False where it fell behind and needs another page."""
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._admissions[name, connection] = waiting
        try:
            admission, payloads = self._registry.admit(name, connection, page, payload, time.monotonic())
            self._admitted(name, connection, admission, payloads)
            self._look_for_gaps([self._registry.rooms[name]])
            await asyncio.wait([waiting], timeout=ADMIT_TIMEOUT)
            if waiting.done():
                return waiting.result()
            # In this step, or the flush that comes next could let in one who has been told otherwise.
            self._registry.depart(name, connection)
            raise Unavailable
        finally:
            del self._admissions[name, connection]

    def depart(self, name: str, connection: Member) -> None:
        """``connection`` leaves the room."""
        self._registry.depart(name, connection)

    def _admitted(self, name: str, connection: Member, admission: Admission, payloads: list[bytes]) -> None:
        if admission is Admission.WAIT:
            return
        if admission is Admission.LIVE:
            connection.outbox.write(connection.outbox.prepare(payloads))
        waiting = self._admissions.get((name, connection))
        if waiting and not waiting.done():
            waiting.set_result(admission is Admission.LIVE)

    # ---- what the relay delivers ----------------------------------------------------------------

    async def deliver(self, envelopes: Sequence[bytes]) -> None:
        """Take publications in their order, and write what members are to see of them."""
        received = self._registry.receive(envelopes, time.monotonic())
        for probe in received.probes:
            self._relay.returned(probe)
        if received.sent_at:
            self._metrics.relayed(time.time() - min(received.sent_at))
        await self._flush(received.rooms.values())
        self._signal(received.signals)
        self._look_for_gaps(received.rooms.values())

    async def _flush(self, rooms: Iterable[Room[Member]]) -> None:
        written, flushes = 0, []
        async with self._flushing:
            for room in list(rooms):
                while flush := room.take(self._settings.max_batch, self._flush_bytes):
                    written = await self._write(flush, written)
                    flushes.append(flush.size)
                    if flush.full:
                        await asyncio.sleep(CATCH_UP_PAUSE)
                self._settle(room)
        self._metrics.flushed(flushes)

    async def _write(self, flush: Flush[Member], written: int) -> int:
        """Give each member the same bytes; returns the writes since the loop last had its turn."""
        if not flush.members:
            return written
        prepared = flush.members[0].outbox.prepare(flush.payloads)
        for connection in flush.members:
            connection.outbox.write(prepared)
            written += 1
            if written >= YIELD_EVERY:
                written = 0
                await asyncio.sleep(0)
        return written

    def _settle(self, room: Room[Member]) -> None:
        """Let in those who waited until the room came where they are."""
        for connection, admission, payloads in room.settle():
            self._admitted(room.name, connection, admission, payloads)

    def _signal(self, signals: Sequence[Signal[Member]]) -> None:
        """Write what is not kept, but not to the slow: they get the whole presence once they are so no longer."""
        for signal in signals:
            prepared = signal.members[0].outbox.prepare([signal.payload]) if signal.members else None
            for connection in signal.members:
                if connection.outbox.queued > self._settings.outbox_soft:
                    self._stale.add(connection)
                    self._metrics.ephemeral_withheld.inc()
                else:
                    connection.outbox.write(prepared)

    # ---- gaps -----------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the rooms that have members here."""
        return list(self._registry.rooms)

    def verify(self, tops: dict[str, tuple[str, int]]) -> None:
        """Compare rooms with what a probe found that has come back."""
        self._registry.verify(tops)
        self._look_for_gaps(self._registry.rooms.values())

    def _look_for_gaps(self, rooms: Iterable[Room[Member]]) -> None:
        if any(room.parked for room in rooms):
            self._parked.set()

    async def _fill_forever(self) -> None:
        while True:
            await self._parked.wait()
            self._parked.clear()
            for room in self._registry.parked():
                try:
                    await self._fill(room)
                except Unavailable:
                    self._parked.set()
                except Exception:
                    logger.exception("%s could not be filled; the next probe tries again", room.name)
            if self._parked.is_set():
                await asyncio.sleep(random.uniform(0.05, 0.5))  # noqa: S311 - jitter

    async def _fill(self, room: Room[Member]) -> None:
        """Continue a parked room from the log, or tell its members that what they miss cannot be had."""
        while room.parked and room.position:
            page = await self._bus.page(room.name, "more", room.position)
            self._metrics.gaps_filled.inc()
            for connection in room.fill(page) or ():
                self._metrics.resets.inc()
                connection.dropped(room.name)
                reset = codec.push("reset", room=room.name, epoch=room.epoch or "0" * 16, offset=room.top)
                connection.outbox.write(connection.outbox.prepare([reset]))
            await self._flush([room])

    # ---- time -----------------------------------------------------------------------------------

    async def _tick_forever(self) -> None:
        step = min(1.0, self._settings.ping_interval)
        ticks = 0
        while True:
            await asyncio.sleep(step)
            ticks += 1
            try:
                await self._tick()
                if ticks % FORGET_TICKS == 0:
                    await self._bus.forget(FORGET_AFTER)
            except Unavailable:
                logger.debug("presence was not renewed: Redis does not answer")
            except Exception:
                logger.exception("a tick failed; the next one comes")

    async def _tick(self) -> None:
        tick = self._registry.tick(time.monotonic())
        for connection in tick.due:
            connection.look(time.monotonic(), time.time())
        self._signal(tick.signals)
        self._refresh_stale()
        queued = sum(connection.outbox.queued for connection in self._registry.connections.all())
        self._metrics.ticked(queued, time.monotonic() - self._relay.proved_at, threading.active_count())
        if tick.announcements:
            await self._bus.announce(tick.announcements)

    def _refresh_stale(self) -> None:
        for connection in [one for one in self._stale if one.outbox.queued <= self._settings.outbox_soft]:
            self._stale.discard(connection)
            for name in connection.rooms:
                if whole := self._registry.whole_presence(name):
                    connection.outbox.write(connection.outbox.prepare([whole]))

    async def farewell(self) -> None:
        """Tell the other processes that nobody is here any more."""
        with suppress(Unavailable):
            await self._bus.announce(dict.fromkeys(self.names(), b""))

    # ---- the state of the service ---------------------------------------------------------------

    def announce(self, delivering: bool) -> None:
        """Tell everybody that delivery stopped working, or works again."""
        if delivering:
            self._registry.renew()
        notice = codec.push("notice", notice="restored" if delivering else "degraded")
        self._signal([Signal(notice, self._registry.connections.all())])

    async def drain(self) -> None:
        """Let nobody in, and send everybody away over the drain time, each told when to come back."""
        self.draining = True
        everybody = list(self._registry.connections.all())
        random.shuffle(everybody)
        pause = min(DRAIN_PAUSE, self._settings.drain_seconds / max(1, len(everybody)))
        for place, connection in enumerate(everybody):
            notice = codec.push("notice", notice="draining", reconnect_in=round(place * pause, 3))
            connection.outbox.write(connection.outbox.prepare([notice]))
        began = time.monotonic()
        for place, connection in enumerate(everybody):
            if (wait := began + place * pause - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            connection.outbox.close(disconnects.RESTART)
