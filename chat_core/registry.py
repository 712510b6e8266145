"""All rooms and connections of one process, and what follows from a publication or from a second going by.

It decides; the shell's hub writes. Like a room, it is called between two awaits, or under the hub's lock.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from chat_core import codec, envelope, presence
from chat_core.frames import User
from chat_core.limits import TokenBucket
from chat_core.liveness import Wheel
from chat_core.log import Page
from chat_core.problems import Refused
from chat_core.rooms import Admission, Room

REFRESH_TICKS: Final = int(presence.REFRESH)


class Participant(Hashable, Protocol):
    """What a connection has to tell of itself."""

    @property
    def user(self) -> User:
        """Who speaks through it."""


C = TypeVar("C", bound=Participant)


@dataclass(frozen=True, slots=True)
class Signal(Generic[C]):
    """A push that is not kept: whoever is slow does without it."""

    payload: bytes
    members: tuple[C, ...]


@dataclass(slots=True)
class Received(Generic[C]):
    """What publications came to: rooms that may have something pending, signals, probes, seconds under way."""

    rooms: dict[str, Room[C]] = field(default_factory=dict)
    signals: list[Signal[C]] = field(default_factory=list)
    probes: list[bytes] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Tick(Generic[C]):
    """What a second came to: states to announce by room, signals, connections that are due for a look."""

    announcements: dict[str, bytes] = field(default_factory=dict)
    signals: list[Signal[C]] = field(default_factory=list)
    due: tuple[C, ...] = ()


class Registry(Generic[C]):
    """See the module. ``process`` is this process's name on the bus; ``turn`` the ticks of a round of ``due``.

    ``arrivals`` is how fast connections may come.
    """

    def __init__(self, process: str, turn: int, arrivals: TokenBucket) -> None:
        self.rooms: dict[str, Room[C]] = {}
        self.connections: Wheel[C] = Wheel(turn)
        self._process = process
        self._arrivals = arrivals
        self.seats = 0
        """Connections that are open or about to be."""
        self._users: dict[str, int] = {}
        self._ticks = 0
        self._renewing = False

    # ---- connections ----------------------------------------------------------------------------

    def check_seat(self, user: str, most: int, most_per_user: int, now: float) -> None:
        """Raise Refused (503) where one more connection of that user is over a limit; 0 per user is no limit."""
        if self.seats >= most or 0 < most_per_user <= self._users.get(user, 0):
            raise Refused("full")
        if wait := self._arrivals.wait(now):
            raise Refused("full", "too many connections are being opened at once", wait, outcome="too_fast")

    def take_seat(self, user: str, most: int, most_per_user: int, now: float) -> None:
        """Keep a place for a connection that is about to open; raise Refused as above."""
        self.check_seat(user, most, most_per_user, now)
        self._arrivals.take(now)
        self.seats += 1
        self._users[user] = self._users.get(user, 0) + 1

    def leave_seat(self, user: str) -> None:
        """A connection closed, or did not come to be."""
        self.seats -= 1
        self._users[user] -= 1
        if not self._users[user]:
            del self._users[user]

    def add(self, connection: C) -> None:
        """``connection`` is open. Its seat was taken before."""
        self.connections.add(connection)

    def remove(self, connection: C, rooms: Sequence[str], now: float) -> None:
        """``connection`` is closed and leaves ``rooms``; its user stays present for a while, lest it flicker."""
        self.connections.remove(connection)
        self.leave_seat(connection.user.id)
        for name in rooms:
            self.depart(name, connection, now + presence.GRACE)

    # ---- membership -----------------------------------------------------------------------------

    def enter(self, name: str, connection: C) -> None:
        """``connection`` is about to read its page of the room."""
        if name not in self.rooms:
            self.rooms[name] = Room(name)
        self.rooms[name].enter(connection, connection.user)

    def admit(self, name: str, connection: C, page: Page, payload: bytes, now: float) -> tuple[Admission, list[bytes]]:
        """Let ``connection`` in where ``page`` ends: see ``Room.admit``."""
        room = self.rooms[name]
        room.presence.learn({process: data for process, data in page.presence.items() if process != self._process}, now)
        return room.admit(connection, page, payload)

    def depart(self, name: str, connection: C, until: float = 0.0) -> None:
        """``connection`` leaves the room, and counts as present until the time ``until``."""
        if room := self.rooms.get(name):
            room.leave(connection, until)
            self._forget_idle(room)

    def parked(self) -> list[Room[C]]:
        """Return the rooms that are to be filled from the log."""
        return [room for room in self.rooms.values() if room.parked and room.position]

    # ---- publications ---------------------------------------------------------------------------

    def receive(self, envelopes: Sequence[bytes], now: float) -> Received[C]:
        """Take publications in their order."""
        received: Received[C] = Received()
        for data in envelopes:
            if data.startswith(b"L"):
                for block in envelope.blocks(data, self.rooms.__contains__):
                    room = received.rooms[block.room] = self.rooms[block.room]
                    room.receive(block)
                    received.sent_at.append(block.at)
            elif data.startswith(b"Q"):
                received.probes.append(data[1:])
            elif signal := self._signal(data, now):
                received.signals.append(signal)
        return received

    def _signal(self, data: bytes, now: float) -> Signal[C] | None:
        if data.startswith(b"R"):
            marked = envelope.marked(data)
            if marked.room not in self.rooms:
                return None
            payload = codec.push("read", room=marked.room, epoch=marked.epoch, offset=marked.offset)
            members = self.rooms[marked.room].members
            return Signal(payload, tuple(member for member in members if member.user.id == marked.user))
        if not data.startswith((b"T", b"P")):
            return None  # from a newer version than this
        name, who, body = envelope.addressed(data)
        room = self.rooms.get(name)
        if room is None:
            return None
        if data.startswith(b"T"):
            return Signal(body, tuple(member for member in room.members if member.user.id != who))
        if who != self._process:
            room.presence.receive(who, presence.decode(body) if body else presence.State(), now)
        return None

    def verify(self, tops: dict[str, tuple[str, int]]) -> None:
        """Compare rooms with what a probe that has come back found: what lacks something is parked."""
        for name, (epoch, top) in tops.items():
            if room := self.rooms.get(name):
                room.verify(epoch, top)

    # ---- time -----------------------------------------------------------------------------------

    def tick(self, now: float) -> Tick[C]:
        """One second has gone by."""
        self._ticks += 1
        refresh = self._renewing or self._ticks % REFRESH_TICKS == 0
        self._renewing = False
        result: Tick[C] = Tick(due=self.connections.tick())
        for room in list(self.rooms.values()):
            if refresh or room.uninformed or room.presence.due(now):
                self._tick_room(room, now, refresh, result)
        return result

    def _tick_room(self, room: Room[C], now: float, refresh: bool, result: Tick[C]) -> None:
        room.presence.changed = False
        room.presence.expire(now)
        state = room.presence.announcement()
        if state is None and refresh and room.presence.occupied:
            state = room.presence.local()
        if state is not None:
            result.announcements[room.name] = presence.encode(state) if state.count else b""
        if fields := room.presence.push():
            result.signals.append(Signal(codec.push("presence", room=room.name, **fields), tuple(room.members)))
        if room.uninformed:
            result.signals.append(Signal(_whole_presence(room), tuple(room.uninformed)))
            room.uninformed.clear()
        self._forget_idle(room)

    def renew(self) -> None:
        """Delivery works again: announce all states with the next tick, for what was said meanwhile may be lost."""
        self._renewing = True

    def whole_presence(self, name: str) -> bytes | None:
        """Return the push that tells a member all about who is in a room; None where there is none."""
        room = self.rooms.get(name)
        return _whole_presence(room) if room else None

    def _forget_idle(self, room: Room[C]) -> None:
        if room.idle:
            self.rooms.pop(room.name, None)


def _whole_presence(room: Room[C]) -> bytes:
    state = room.presence.state()
    return codec.push("presence", room=room.name, count=state.count, members=state.members())
