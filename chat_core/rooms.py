"""One room in one process: its members, the entries on their way to them, and the barrier through which one joins.

The rule that everything here serves: a live member has no cursor of its own, its cursor is ``top``. ``take`` advances
``top`` in the same step in which it takes its snapshot of the members; ``admit`` inserts a member only where its own
cursor, brought forward from the tail, equals ``top``. So no entry is missed or doubled, however joins and entries
interleave. The shell calls every method between two awaits, or under the hub's lock.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import accumulate, takewhile
from typing import Final, Generic, TypeVar

from chat_core.envelope import Block
from chat_core.frames import Position, User
from chat_core.log import Page
from chat_core.presence import Presence

TAIL_ENTRIES: Final = 512
TAIL_BYTES: Final = 128 * 1024
MOST_HELD: Final = 1000
"""Blocks that a parked room keeps until it is filled; beyond either bound they are left to the log."""
HELD_BYTES: Final = 1024 * 1024

C = TypeVar("C", bound=Hashable)
"""A connection, as the shell has it."""


class Admission(Enum):
    """What became of a joining connection."""

    LIVE = auto()
    """It is a member. What it has to be sent first is returned beside this."""
    WAIT = auto()
    """It is ahead of the room here: the flush that reaches its cursor admits it."""
    BEHIND = auto()
    """What it lacks is no longer in the tail: it needs another page of the log."""


@dataclass(slots=True)
class Joining:
    """A connection on its way in. ``cursor`` is None while its page is being read; then ``payload`` goes first."""

    user: User
    cursor: Position | None = None
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Flush(Generic[C]):
    """Entries to be written to ``members``, the snapshot that belongs to the new top."""

    payloads: list[bytes]
    members: tuple[C, ...]
    full: bool = False
    """Whether more would have followed, had it been allowed more bytes."""

    @property
    def size(self) -> tuple[int, int, int]:
        """Entries, members and bytes of all entries, as metrics count them."""
        return len(self.payloads), len(self.members), sum(map(len, self.payloads))


@dataclass(slots=True)
class Tail:
    """The last entries before ``top``, for those who join while it moves."""

    end: int = 0
    entries: deque[bytes] = field(default_factory=deque)
    size: int = 0

    def extend(self, payloads: list[bytes]) -> None:
        """Append entries. What an edit or a deletion replaces must not be sent again, so these start the tail anew."""
        for payload in payloads:
            if payload.startswith((b'{"type":"edited"', b'{"type":"deleted"')):
                self.clear(self.end)
            self.entries.append(payload)
            self.size += len(payload)
            self.end += 1
        while len(self.entries) > TAIL_ENTRIES or self.size > TAIL_BYTES:
            self.size -= len(self.entries.popleft())

    def after(self, offset: int) -> list[bytes] | None:
        """Return the entries above ``offset``; None where some of them are no longer here."""
        missing = self.end - offset
        if missing > len(self.entries):
            return None
        return list(self.entries)[len(self.entries) - missing :] if missing > 0 else []

    def clear(self, end: int) -> None:
        """Forget all entries; the next one to come has the offset ``end`` + 1."""
        self.end, self.size = end, 0
        self.entries.clear()


class Room(Generic[C]):
    """See the module. ``epoch`` is None until the first page has been read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epoch: str | None = None
        self.top = 0
        self.parked = False
        """Whether entries are missing, or an epoch ended: the shell is to ``fill`` the room from the log."""
        self.members: dict[C, User] = {}
        self.joining: dict[C, Joining] = {}
        self.presence = Presence()
        self.uninformed: set[C] = set()
        """Members since the last tick: who came or left while they read their pages has not been told to them."""
        self._snapshot: tuple[C, ...] | None = ()
        self._received = 0
        self._pending: list[bytes] = []
        self._held: list[Block] = []
        self._held_bytes = 0
        self._held_before = 0
        self._tail = Tail()

    @property
    def idle(self) -> bool:
        """Whether nobody here has anything to do with the room any more."""
        return not (self.members or self.joining or self.presence.occupied)

    @property
    def position(self) -> Position | None:
        """Where the entries that are here end; None until the first page has been read."""
        return Position(epoch=self.epoch, offset=self._received) if self.epoch else None

    # ---- entries --------------------------------------------------------------------------------

    def receive(self, block: Block) -> None:
        """Take entries from the bus: they become pending, are dropped as known, or park the room as not contiguous."""
        if self.epoch is None or self.parked:
            return self._hold(block)
        expected = self._received + 1
        if block.epoch != self.epoch or block.first > expected:
            self.parked = True
            return self._hold(block)
        if block.last >= expected:
            self._pending.extend(block.entries[expected - block.first :])
            self._received = block.last
        return None

    def take(self, most: int = 0, most_bytes: int = 0) -> Flush[C] | None:
        """Advance ``top`` over what is pending, and return it with those who are to get it; None if nothing is.

        Not over more than ``most`` entries or ``most_bytes`` of them, but at least one; 0 is no limit.
        """
        if not self._pending:
            return None
        most = min(most or len(self._pending), len(self._pending))
        count = self._first_within(most, most_bytes)
        payloads, self._pending = self._pending[:count], self._pending[count:]
        self.top = self._received - len(self._pending)
        self._tail.extend(payloads)
        if self._snapshot is None:
            self._snapshot = tuple(self.members)
        return Flush(payloads, self._snapshot, full=count < most)

    def _first_within(self, most: int, most_bytes: int) -> int:
        """Return how many pending entries are taken at once: at least one."""
        if not most_bytes or sum(map(len, self._pending)) <= most_bytes:
            return most
        sizes = accumulate(map(len, self._pending[:most]))
        return max(1, sum(1 for _ in takewhile(most_bytes.__ge__, sizes)))

    def verify(self, epoch: str, top: int) -> None:
        """Compare with what a probe found before it was published: park the room if anything up to there is missing."""
        if self.epoch is not None and (epoch != self.epoch or top > self._received):
            self.parked = True

    def fill(self, page: Page | None) -> tuple[C, ...] | None:
        """Continue a parked room with a page of the log, read from ``position``.

        Returns None, or, where what is missing cannot be had, the members that were put out and are to be told.
        """
        if page is None or not page.recovered:
            return self._reset(page)
        self._pending.extend(page.entries)
        self._received = page.offset
        self.epoch = page.epoch
        if not page.more:
            self._resume()
        return None

    def _reset(self, page: Page | None) -> tuple[C, ...]:
        out = tuple(self.members)
        for connection in out:
            self.leave(connection, 0.0)
        self._pending.clear()
        if page:
            self.epoch, self.top = page.epoch, page.top
        else:
            self.epoch, self.top = None, 0
        self._received = self.top
        self._tail.clear(self.top)
        self._resume()
        return out

    def _resume(self) -> None:
        """Take what was held. A block of another epoch parks the room again: which of the two is over is not known.

        If it was held before the page was even asked for, it is known: the block's, or it would park the room for ever.
        """
        self.parked = False
        held, self._held, self._held_bytes = self._held, [], 0
        for place, block in enumerate(held):
            if place >= self._held_before or block.epoch == self.epoch:
                self.receive(block)
        self._held_before = len(self._held)

    def _hold(self, block: Block) -> None:
        size = block.size
        if len(self._held) < MOST_HELD and self._held_bytes + size <= HELD_BYTES:
            self._held.append(block)
            self._held_bytes += size
        # Else it is left to the log: the next block shows a gap again, and the room is filled again.

    # ---- membership -----------------------------------------------------------------------------

    def enter(self, connection: C, user: User) -> None:
        """``connection`` is about to read its page: from now on no entry passes this room unseen."""
        self.joining[connection] = Joining(user)

    def admit(self, connection: C, page: Page, payload: bytes) -> tuple[Admission, list[bytes]]:
        """Let ``connection`` in with the page that ends its reading; ``payload`` is what it is sent first.

        Returns what became of it and, when LIVE, all that is to be written to it in this same step.
        """
        joining = self.joining[connection]
        joining.cursor, joining.payload = Position(epoch=page.epoch, offset=page.offset), payload
        if self.epoch is None:
            self._open(page)
        elif page.epoch != self.epoch:
            # Either the room here or the page is from before the epoch changed; the log will tell which.
            self.parked = True
        return self._admit(connection, joining)

    def _open(self, page: Page) -> None:
        self.epoch, self.top, self._received = page.epoch, page.top, page.top
        self._tail.clear(page.top)
        self._held_before = 0
        self._resume()
        # There are no members yet, so what was held needs no flush, and none would come before the next entry.
        self.take()

    def settle(self) -> list[tuple[C, Admission, list[bytes]]]:
        """Return the waiting connections whose time has come, as ``admit`` would have; call it after take and fill."""
        settled: list[tuple[C, Admission, list[bytes]]] = []
        for connection, joining in list(self.joining.items()):
            if joining.cursor is None:
                continue
            admission, payloads = self._admit(connection, joining)
            if admission is not Admission.WAIT:
                settled.append((connection, admission, payloads))
        return settled

    def _admit(self, connection: C, joining: Joining) -> tuple[Admission, list[bytes]]:
        cursor = joining.cursor
        if cursor is None or self.parked:
            return Admission.WAIT, []
        if cursor.epoch == self.epoch and cursor.offset > self.top:
            return Admission.WAIT, []
        missed = self._tail.after(cursor.offset) if cursor.epoch == self.epoch else None
        if missed is None:
            joining.cursor = None
            return Admission.BEHIND, []
        del self.joining[connection]
        self.members[connection] = joining.user
        self.uninformed.add(connection)
        self._snapshot = None
        self.presence.track(joining.user)
        return Admission.LIVE, [joining.payload, *missed]

    def leave(self, connection: C, until: float) -> None:
        """``connection`` is neither a member nor about to become one; it counts as present until ``until``."""
        self.joining.pop(connection, None)
        self.uninformed.discard(connection)
        user = self.members.pop(connection, None)
        if user is not None:
            self._snapshot = None
            self.presence.untrack(user, until)
