"""One member's way along the reference of its room: what it received, what it lacks, what it should not have got."""

import json
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Final

from loadtest.reference import Reference
from loadtest.wire import TEXT, BrokenStream, Frame, frame_at, text_frame

OFF: Final = 1 << 60
"""A place behind every reference: whoever stands here matches nothing."""

Listener = Callable[[int, Any], None]
"""Takes what is no log entry: the opcode, and the frame's JSON as an object, or its payload if it is no text."""


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
