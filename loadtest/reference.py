"""What every member of a room must receive, and whether a member does, at the cost of one comparison per read.

The first member to receive an entry has it parsed and checked in full; from then on its bytes are the reference. Of
all others the bytes read are compared with the reference where that member stands, however the reads are cut: equal
bytes at the right place are the right entries in the right order. Only what differs is taken apart.
"""

import json
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Final

from loadtest.ledger import Arrivals, Ledger, Posted
from loadtest.wire import TEXT, BrokenStream, Frame, frame_at, text_frame

OFF: Final = 1 << 60
"""A place behind every reference: whoever stands here matches nothing."""
LARGEST_GAP: Final = 1_000_000

Listener = Callable[[int, Any], None]
"""Takes what is no log entry: the opcode, and the frame's JSON as an object, or its payload if it is no text."""


class Reference:
    """The log of one room from offset ``first`` on, as frames; contiguous."""

    def __init__(self, room: str, ledger: Ledger) -> None:
        self.room = room
        self.ledger = ledger
        self.epoch: str | None = None
        self.first = 1
        self.data = bytearray()
        self.ends: list[int] = []
        self.arrivals = Arrivals()
        self._ahead: dict[int, tuple[Frame, Posted | None]] = {}

    @property
    def top(self) -> int:
        """The offset of the last entry."""
        return self.first + len(self.ends) - 1

    def end(self, count: int) -> int | None:
        """Return where the first ``count`` entries end; None where there are not so many, or it is before the first."""
        if not 0 <= count <= len(self.ends):
            return None
        return self.ends[count - 1] if count else 0

    def open(self, epoch: str, offset: int) -> bool:
        """A member joined there; False if that is another epoch than the other members'."""
        if self.epoch is None:
            self.epoch, self.first = epoch, offset + 1
        return epoch == self.epoch

    def rebase(self, epoch: str, offset: int) -> None:
        """Nobody follows any more, and somebody joined there: begin anew."""
        self.restart()
        self._ahead.clear()
        self.epoch, self.first = epoch, offset + 1

    @property
    def highest(self) -> int:
        """The highest offset that any member received."""
        return max(self._ahead, default=self.top)

    def lost(self, count: int) -> int:
        """Return the number of entries that some member received and one with the first ``count`` entries did not."""
        return max(0, len(self.ends) - count) + sum(1 for offset in self._ahead if offset >= self.first + count)

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries, parsed."""
        data, entries, begin = bytes(self.data), [], 0
        for end in self.ends:
            if frame := frame_at(data[begin:end], 0):
                entries.append(json.loads(frame.payload))
            begin = end
        return entries

    def restart(self) -> None:
        """Forget the entries: all members have them."""
        self.first = self.top + 1
        self.data.clear()
        self.ends.clear()
        self.arrivals.entries.clear()

    def arrive(self, first: int, last: int) -> None:
        """A member received the entries with these indices, ``last`` not included."""
        changes = self.arrivals.changes
        if not changes:
            self.ledger.arrived(self.arrivals)
        changes[first] = changes.get(first, 0) + 1
        changes[last] = changes.get(last, 0) - 1

    def arrive_ahead(self, offset: int) -> None:
        """A member received an entry before which something is still missing."""
        self.ledger.arrived_alone(self._ahead[offset][1])

    def skip_hole(self) -> bool:
        """The next entry will not come any more: go on with what came after it. False where nothing did."""
        if not self._ahead:
            return False
        self.arrivals.entries.append(None)
        self.ends.append(len(self.data))
        while (following := self._ahead.pop(self.top + 1, None)) is not None:
            self._append(*following)
        return True

    def learn(self, frame: Frame, entry: dict[str, Any]) -> int | None:
        """Return the offset of an entry that was received; None, noted in the ledger, where it is not a right one."""
        fault = self._fault(frame, entry)
        if fault:
            self.ledger.faults.note(fault, 1, f"in {self.room}: {entry}")
            return None
        offset: int = entry["offset"]
        if offset > self.top and offset not in self._ahead:
            self._ahead[offset] = (frame, self.ledger.placed(entry))
            while (following := self._ahead.pop(self.top + 1, None)) is not None:
                self._append(*following)
        return offset

    def _fault(self, frame: Frame, entry: dict[str, Any]) -> str | None:
        if entry.get("room") != self.room or entry.get("epoch") != self.epoch or self.epoch is None:
            return "foreign"
        if not isinstance(entry.get("offset"), int) or not isinstance(entry.get("id"), str) or "text" not in entry:
            return "corrupt"
        if entry["offset"] > self.top + LARGEST_GAP:
            return "corrupt"
        known = self._known(entry["offset"])
        if known is None:
            return self.ledger.fault(self.room, entry) if entry["offset"] > self.top else None
        return None if known.whole == frame.whole or json.loads(known.payload) == entry else "corrupt"

    def _known(self, offset: int) -> Frame | None:
        if offset in self._ahead:
            return self._ahead[offset][0]
        if not self.first <= offset <= self.top:
            return None
        return frame_at(bytes(self.data[self.end(offset - self.first) : self.end(offset - self.first + 1)]), 0)

    def _append(self, frame: Frame, posted: Posted | None) -> None:
        self.arrivals.entries.append(posted)
        self.data += frame.whole
        self.ends.append(len(self.data))


class Follower:
    """One member's way along the reference of its room.

    ``count`` entries were received, in order but for ``missing`` (offsets). The bytes received so far end at ``_at``
    of the reference; where they cannot be placed there, ``_at`` is OFF and ``_rest`` holds the unfinished frame.
    """

    __slots__ = ("_at", "_began", "_left", "_listener", "_rest", "count", "joined", "missing", "reference")

    def __init__(self, reference: Reference, listener: Listener) -> None:
        self.reference = reference
        self.joined = False
        self.count = 0
        self.missing: set[int] = set()
        self._listener = listener
        self._at = OFF
        self._rest = b""
        self._left: dict[str, float] = {}
        """rooms, and when their leave was acknowledged"""
        self._began = 0

    @property
    def position(self) -> int:
        """The offset of the last entry that this one has."""
        return self.reference.first + self.count - 1

    @property
    def caught_up(self) -> bool:
        """Whether this one is as far as others are, though something may be missing."""
        return self.count == len(self.reference.ends)

    @property
    def settled(self) -> bool:
        """Whether this one has received all that others have."""
        return self.count == len(self.reference.ends) and not self.missing

    @property
    def lost(self) -> int:
        """The number of entries that this one has not received, though later ones or others did."""
        return len(self.missing) + self.reference.lost(self.count)

    @property
    def lost_inside(self) -> int:
        """The number of entries that this one has not received, though later ones came."""
        return len(self.missing)

    def join(self, epoch: str, offset: int) -> None:
        """From now on entries after ``offset`` are expected."""
        if not self.reference.open(epoch, offset):
            self.reference.ledger.faults.note("foreign", 1, f"joined {self.reference.room} in another epoch")
        self.joined = True
        self.count = offset + 1 - self.reference.first
        self._began = offset if self.reference.room in self._left else 0

    def move(self, reference: Reference, left: float) -> None:
        """The room was left, acknowledged at the time ``left``, and another will be joined: nothing of the former is
        expected from now on."""
        if self._at != OFF:
            self._rest = bytes(self.reference.data[self.reference.end(self.count) : self._at])
            self._at = OFF
        self._left[self.reference.room] = left
        self.reference, self.joined = reference, False
        self.missing.clear()

    def recover(self, entry: dict[str, Any]) -> None:
        """Account for an entry that came in a page of what was missed."""
        payload = json.dumps(entry).encode()
        if (offset := self.reference.learn(Frame(TEXT, payload, text_frame(payload)), entry)) is not None:
            self._receive(offset, entry)

    def restart(self) -> None:
        """The reference was restarted."""
        self.count, self._at = 0, OFF if self._rest else 0

    def feed(self, chunk: memoryview) -> None:
        """Account for bytes that were read. Raises BrokenStream."""
        reference, at = self.reference, self._at
        if not reference.data.startswith(chunk, at):
            return self._take_apart(bytes(chunk))
        self._at = at = at + len(chunk)
        count = self.count
        if count < len(reference.ends) and reference.ends[count] <= at:
            self.count = bisect_right(reference.ends, at, count)
            reference.arrive(count, self.count)
        return None

    def _take_apart(self, chunk: bytes) -> None:
        if self._at != OFF:
            begun = self.reference.end(self.count)
            data = bytes(self.reference.data[begun : self._at]) + chunk
        else:
            data = self._rest + chunk
        position = 0
        while True:
            position += self._skip_known(memoryview(data)[position:])
            if (frame := frame_at(data, position)) is None:
                break
            position += len(frame.whole)
            self._take(frame)
        self._keep(data[position:])

    def _skip_known(self, data: memoryview) -> int:
        """Account for the entries at the beginning of ``data`` that are the next ones of the reference."""
        reference, first = self.reference, self.count
        if not self.joined or (begin := reference.end(first)) is None:
            return 0
        low, high = first, bisect_right(reference.ends, begin + len(data), first)
        middle = high  # most often, all that can be the same is the same
        while low < high:
            if reference.data.startswith(data[: reference.ends[middle - 1] - begin], begin):
                low = middle
            else:
                high = middle - 1
            middle = (low + high + 1) // 2
        if low == first:
            return 0
        self.count = low
        reference.arrive(first, low)
        return reference.ends[low - 1] - begin

    def _take(self, frame: Frame) -> None:
        if frame.opcode != TEXT:
            return self._listener(frame.opcode, frame.payload)
        try:
            content = json.loads(frame.payload.decode())
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise BrokenStream(f"no JSON object: {frame.payload[:80]!r}")
        if content.get("type") != "message":
            return self._listener(frame.opcode, content)
        room = content.get("room")
        if room != self.reference.room and (left := self._left.get(str(room))) is not None:
            return self.reference.ledger.came_after_leave(content, left, "foreign")
        if (offset := self.reference.learn(frame, content)) is not None:
            self._receive(offset, content)
        return None

    def _receive(self, offset: int, entry: dict[str, Any]) -> None:
        reference = self.reference
        expected = reference.first + self.count
        if offset <= self._began:  # of before this membership: of the one that ended, or else for the second time
            return reference.ledger.came_after_leave(entry, self._left[reference.room], "duplicated")
        if offset < expected and offset not in self.missing:
            return reference.ledger.faults.note("duplicated", 1, f"offset {offset} in {reference.room}")
        index = offset - reference.first
        if offset < expected:
            self.missing.remove(offset)
            reference.ledger.faults.note("reordered", 1, f"offset {offset} in {reference.room}")
        else:
            self.missing.update(range(expected, offset))
            self.count = index + 1
        if offset > reference.top:
            reference.arrive_ahead(offset)
        elif index >= 0:
            reference.arrive(index, index + 1)
        else:  # from before the reference begins: it counts, but what was posted when is not known any more
            reference.ledger.arrived_alone(None)
        return None

    def _keep(self, rest: bytes) -> None:
        begun = self.reference.end(self.count) if self.joined else None
        if begun is not None and self.reference.data.startswith(rest, begun):
            self._at, self._rest = begun + len(rest), b""
        else:
            self._at, self._rest = OFF, rest
