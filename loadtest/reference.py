"""What every member of a room must receive, and whether a member does, at the cost of one comparison per read.

The first member to receive an entry has it parsed and checked in full; from then on its bytes are the reference. Of
all others the bytes read are compared with the reference where that member stands, however the reads are cut: equal
bytes at the right place are the right entries in the right order. Only what differs is taken apart.
"""

import json
from typing import Any, Final

from loadtest.ledger import Arrivals, Ledger, Posted
from loadtest.wire import Frame, frame_at

LARGEST_GAP: Final = 1_000_000


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
