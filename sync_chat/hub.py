"""The connections of this process: what the relay delivers is written to all members of a room at once.

A live member costs one ``write`` of bytes that all members share; nothing is queued, woken, parsed or encoded for it
alone. ``_lock`` guards the registry, every room in it, ``_admissions`` and ``_stale``; it is held for steps, never
while a flush writes to a whole room.
"""

import logging
import random
import resource
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from chat_core import codec, disconnects
from chat_core.admission import capacity
from chat_core.limits import TokenBucket
from chat_core.log import Page, Unavailable
from chat_core.metrics import Metrics
from chat_core.registry import Participant, Registry, Signal
from chat_core.rooms import Admission, Flush, Room
from chat_core.settings import Settings
from sync_chat.bus import Bus
from sync_chat.outbox import Outbox
from sync_chat.relay import Relay

logger = logging.getLogger(__name__)

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


class Waiting:
    """A thread that waits to be let into a room."""

    __slots__ = ("live", "settled")

    def __init__(self) -> None:
        self.live = False
        self.settled = threading.Event()


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
        self._admissions: dict[tuple[str, Member], Waiting] = {}
        self._stale: set[Member] = set()
        self._lock = threading.Lock()
        self._flushing = threading.Lock()  # guards the order of what a member gets: one flush at a time. Before _lock
        self._parked = threading.Event()
        self._stopped = threading.Event()

    @property
    def open(self) -> int:
        """The number of connections, those about to open included."""
        return self._registry.seats

    def start(self) -> None:
        """Begin to tick and to fill gaps."""
        threading.Thread(target=self._tick_forever, name="tick", daemon=True).start()
        threading.Thread(target=self._fill_forever, name="fill", daemon=True).start()

    def stop(self) -> None:
        """End what was started."""
        self._stopped.set()
        self._parked.set()

    # ---- connections and membership -------------------------------------------------------------

    def check_seat(self, user: str) -> None:
        """Raise Refused (503) where one more connection of the user with that id is over a limit."""
        with self._lock:
            self._registry.check_seat(user, *self._limits, time.monotonic())

    def take_seat(self, user: str) -> None:
        """Keep a place for a connection of that user that is about to open; raise Refused (503) as above."""
        with self._lock:
            self._registry.take_seat(user, *self._limits, time.monotonic())

    def leave_seat(self, user: str) -> None:
        """The connection of that user did not come to be."""
        with self._lock:
            self._registry.leave_seat(user)

    def add(self, connection: Member) -> None:
        """``connection`` is open, on a seat that was taken for it."""
        with self._lock:
            self._registry.add(connection)
        self._metrics.connected()
        if not self._relay.delivering:
            self._signal([Signal(codec.push("notice", notice="degraded"), (connection,))])
        if self.draining:  # admitted just before, and perhaps not among those whom the drain sends away
            connection.outbox.close(disconnects.RESTART)

    def remove(self, connection: Member, rooms: Sequence[str]) -> None:
        """``connection`` is closed, and with it its membership of ``rooms``."""
        with self._lock:
            self._registry.remove(connection, rooms, time.monotonic())
            self._stale.discard(connection)

    def enter(self, name: str, connection: Member) -> None:
        """``connection`` is about to read its page of the room."""
        with self._lock:
            self._registry.enter(name, connection)

    def admit(self, name: str, connection: Member, page: Page, payload: bytes) -> bool:
        """Make ``connection`` a member where ``page`` ends; False where it fell behind and needs another page."""
        waiting = Waiting()
        try:
            with self._lock:
                self._admissions[name, connection] = waiting
                admission, payloads = self._registry.admit(name, connection, page, payload, time.monotonic())
                self._admitted(name, connection, admission, payloads)
                self._look_for_gaps([self._registry.rooms[name]])
            waiting.settled.wait(ADMIT_TIMEOUT)
        finally:
            with self._lock:
                del self._admissions[name, connection]
                if not waiting.settled.is_set():
                    # In this step, or the flush that comes next could let in one who is told otherwise.
                    self._registry.depart(name, connection)
        if not waiting.settled.is_set():
            raise Unavailable
        return waiting.live

    def depart(self, name: str, connection: Member) -> None:
        """``connection`` leaves the room."""
        with self._lock:
            self._registry.depart(name, connection)

    def _admitted(self, name: str, connection: Member, admission: Admission, payloads: list[bytes]) -> None:
        if admission is Admission.WAIT:
            return
        if admission is Admission.LIVE:
            connection.outbox.write(connection.outbox.prepare(payloads))
        waiting = self._admissions.get((name, connection))
        if waiting:
            waiting.live = admission is Admission.LIVE
            waiting.settled.set()

    # ---- what the relay delivers ----------------------------------------------------------------

    def deliver(self, envelopes: Sequence[bytes]) -> None:
        """Take publications in their order, and write what members are to see of them."""
        with self._lock:
            received = self._registry.receive(envelopes, time.monotonic())
        for probe in received.probes:
            self._relay.returned(probe)
        if received.sent_at:
            self._metrics.relayed(time.time() - min(received.sent_at))
        self._flush(received.rooms.values())
        self._signal(received.signals)
        self._look_for_gaps(received.rooms.values())

    def _flush(self, rooms: Iterable[Room[Member]]) -> None:
        flushes = []
        with self._flushing:
            for room in list(rooms):
                while flush := self._take(room):
                    self._write(flush)
                    flushes.append(flush.size)
                    if flush.full:
                        time.sleep(CATCH_UP_PAUSE)
                with self._lock:
                    self._settle(room)
        self._metrics.flushed(flushes)

    def _take(self, room: Room[Member]) -> Flush[Member] | None:
        with self._lock:
            return room.take(self._settings.max_batch, self._flush_bytes)

    def _write(self, flush: Flush[Member]) -> None:
        """Give each member the same bytes."""
        if not flush.members:
            return
        prepared = flush.members[0].outbox.prepare(flush.payloads)
        for connection in flush.members:
            connection.outbox.write(prepared)

    def _settle(self, room: Room[Member]) -> None:
        """Let in those who waited until the room came where they are."""
        for connection, admission, payloads in room.settle():
            self._admitted(room.name, connection, admission, payloads)

    def _signal(self, signals: Sequence[Signal[Member]]) -> None:
        """Write what is not kept, but not to the slow: they get the whole presence once they are so no longer."""
        for signal in signals:
            prepared = signal.members[0].outbox.prepare([signal.payload]) if signal.members else b""
            for connection in signal.members:
                if connection.outbox.queued > self._settings.outbox_soft:
                    with self._lock:
                        self._stale.add(connection)
                    self._metrics.ephemeral_withheld.inc()
                else:
                    connection.outbox.write(prepared)

    # ---- gaps -----------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the rooms that have members here."""
        with self._lock:
            return list(self._registry.rooms)

    def verify(self, tops: dict[str, tuple[str, int]]) -> None:
        """Compare rooms with what a probe found that has come back."""
        with self._lock:
            self._registry.verify(tops)
            self._look_for_gaps(self._registry.rooms.values())

    def _look_for_gaps(self, rooms: Iterable[Room[Member]]) -> None:
        if any(room.parked for room in rooms):
            self._parked.set()

    def _fill_forever(self) -> None:
        while self._parked.wait() and not self._stopped.is_set():
            self._parked.clear()
            with self._lock:
                parked = self._registry.parked()
            for room in parked:
                try:
                    self._fill(room)
                except Unavailable:
                    self._parked.set()
                except Exception:
                    logger.exception("%s could not be filled; the next probe tries again", room.name)
            if self._parked.is_set():
                self._stopped.wait(random.uniform(0.05, 0.5))  # noqa: S311 - jitter

    def _fill(self, room: Room[Member]) -> None:
        """Continue a parked room from the log, or tell its members that what they miss cannot be had."""
        while room.parked and (position := room.position):
            page = self._bus.page(room.name, "more", position)
            self._metrics.gaps_filled.inc()
            with self._lock:
                for connection in room.fill(page) or ():
                    self._metrics.resets.inc()
                    connection.dropped(room.name)
                    reset = codec.push("reset", room=room.name, epoch=room.epoch or "0" * 16, offset=room.top)
                    connection.outbox.write(connection.outbox.prepare([reset]))
            self._flush([room])

    # ---- time -----------------------------------------------------------------------------------

    def _tick_forever(self) -> None:
        step = min(1.0, self._settings.ping_interval)
        ticks = 0
        while not self._stopped.wait(step):
            ticks += 1
            try:
                self._tick()
                if ticks % FORGET_TICKS == 0:
                    self._bus.forget(FORGET_AFTER)
            except Unavailable:
                logger.debug("presence was not renewed: Redis does not answer")
            except Exception:
                logger.exception("a tick failed; the next one comes")

    def _tick(self) -> None:
        with self._lock:
            tick = self._registry.tick(time.monotonic())
        for connection in tick.due:
            connection.look(time.monotonic(), time.time())
        self._signal(tick.signals)
        self._refresh_stale()
        with self._lock:
            everybody = self._registry.connections.all()
        queued = sum(connection.outbox.queued for connection in everybody)
        self._metrics.ticked(queued, time.monotonic() - self._relay.proved_at, threading.active_count())
        if tick.announcements:
            self._bus.announce(tick.announcements)

    def _refresh_stale(self) -> None:
        with self._lock:
            for connection in [one for one in self._stale if one.outbox.queued <= self._settings.outbox_soft]:
                self._stale.discard(connection)
                for name in list(connection.rooms):
                    if whole := self._registry.whole_presence(name):
                        connection.outbox.write(connection.outbox.prepare([whole]))

    def farewell(self) -> None:
        """Tell the other processes that nobody is here any more."""
        with suppress(Unavailable):
            self._bus.announce(dict.fromkeys(self.names(), b""))

    # ---- the state of the service ---------------------------------------------------------------

    def announce(self, delivering: bool) -> None:
        """Tell everybody that delivery stopped working, or works again."""
        notice = codec.push("notice", notice="restored" if delivering else "degraded")
        with self._lock:
            if delivering:
                self._registry.renew()
            everybody = self._registry.connections.all()
        self._signal([Signal(notice, everybody)])

    def drain(self) -> None:
        """Let nobody in, and send everybody away over the drain time, each told when to come back."""
        self.draining = True
        with self._lock:
            everybody = list(self._registry.connections.all())
        random.shuffle(everybody)
        pause = min(DRAIN_PAUSE, self._settings.drain_seconds / max(1, len(everybody)))
        for place, connection in enumerate(everybody):
            notice = codec.push("notice", notice="draining", reconnect_in=round(place * pause, 3))
            connection.outbox.write(connection.outbox.prepare([notice]))
        began = time.monotonic()
        for place, connection in enumerate(everybody):
            if (wait := began + place * pause - time.monotonic()) > 0:
                time.sleep(wait)
            connection.outbox.close(disconnects.RESTART)
