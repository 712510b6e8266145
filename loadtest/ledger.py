"""What was promised against what arrived: every post is answered once, every delivery is accounted for."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from loadtest.histogram import Histogram
from loadtest.plan import Post

MOST_EXAMPLES: Final = 5
"""Of each kind."""

BROKEN: Final = ("lost", "duplicated", "reordered", "corrupt", "foreign", "unanswered", "answered_twice")
"""What no server may do, however much it is asked."""


@dataclass(slots=True)
class Faults:
    """What went wrong, counted in deliveries (the first five, and the last), posts, and connections."""

    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupt: int = 0
    foreign: int = 0
    """Of another room or another epoch, or posted by nobody here."""
    unanswered: int = 0
    answered_twice: int = 0
    refused: int = 0
    """Answered with an error: what an overloaded server may do."""
    unsent: int = 0
    """Offered, but its connection was gone."""
    disconnected: int = 0
    """Connections that the server ended."""
    late_after_leave: int = 0
    """Of a room that this member had left, posted before: a flush that had begun may still arrive."""
    examples: list[str] = field(default_factory=list)

    def note(self, kind: str, times: int, what: str) -> None:
        """Count a fault of ``kind``, a field of this class, and keep the first few descriptions."""
        before = getattr(self, kind)
        setattr(self, kind, before + times)
        if before < MOST_EXAMPLES:
            self.examples.append(f"{kind}: {what}")

    def counts(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "examples"}

    @property
    def broken(self) -> bool:
        """Whether a promise was broken."""
        return any(getattr(self, kind) for kind in BROKEN)


@dataclass(slots=True)
class Posted:
    """A post on its way. Times are monotonic seconds; ``measured`` says whether its deliveries count as latency."""

    post: Post
    room: str
    intended: float
    measured: bool
    replies: int = 0
    acknowledged: tuple[str, int] | None = None
    placed: tuple[str, int] | None = None
    """Epoch and offset at which it was first delivered."""
    sent: float | None = None
    """When it was sent, if that was here."""
    window: int = 0
    """The part of the plan that it belongs to."""
    audience: int = 0
    """Members here that the plan has in the room."""
    reached: int = 0
    """How many of them received it."""


class Ledger:
    """The books of one server under test.

    ``latency`` and ``late``, the deliveries that took longer than ``objective`` seconds, are those of the current
    step; ``delivered`` and ``faults`` go on over all of them.
    """

    def __init__(self, objective: float) -> None:
        self.objective = objective
        self.faults = Faults()
        self.delivered = 0
        self.latency = Histogram()
        self.late = 0
        self._by_ref: dict[int, Posted] = {}
        self._by_id: dict[str, Posted] = {}
        self._unanswered: dict[int, Posted] = {}
        self._unseen = 0
        self._arrived: list[Arrivals] = []
        self._alone: list[Posted | None] = []

    # ---- posts and their replies ----------------------------------------------------------------

    def expect(self, posted: Posted) -> None:
        """``posted`` will be sent, here or by somebody else."""
        self._by_id[posted.post.id] = posted

    def sending(self, ref: int, id_: str) -> None:
        """The post of that id, which was expected, is being sent with that ref."""
        posted = self._by_id[id_]
        posted.sent = time.monotonic()
        self._by_ref[ref] = self._unanswered[ref] = posted

    def posting(self, ref: int, posted: Posted) -> None:
        """``posted`` is being sent with that ref."""
        self._by_ref[ref] = self._unanswered[ref] = self._by_id[posted.post.id] = posted

    def replied(self, connection: int, reply: dict[str, Any]) -> None:
        """``connection`` got a reply to a post."""
        posted = self._by_ref.get(reply.get("ref", -1))
        if posted is None or posted.post.speaker != connection:
            return self.faults.note("foreign", 1, f"a reply to nothing that connection {connection} asked: {reply}")
        posted.replies += 1
        if posted.replies > 1:
            return self.faults.note("answered_twice", 1, f"post {posted.post.id}")
        del self._unanswered[reply["ref"]]
        result = reply.get("result")
        if not isinstance(result, dict) or not isinstance(result.get("offset"), int):
            return self.faults.note("refused", 1, f"post {posted.post.id}: {reply.get('error')}")
        posted.acknowledged = (str(result.get("epoch")), result["offset"])
        self._unseen += posted.placed is None
        return None

    @property
    def complete(self) -> bool:
        """Whether every post was answered, and every acknowledged one has reached some member."""
        return not self._unanswered and self._unseen <= 0

    def waited(self, now: float) -> float:
        """Return the seconds since the oldest post without a reply was meant to be sent; 0 where all have theirs."""
        return next((now - posted.intended for posted in self._unanswered.values()), 0.0)

    # ---- deliveries -----------------------------------------------------------------------------

    def fault(self, room: str, entry: dict[str, Any]) -> str | None:
        """Return what is wrong with an entry that was not seen before; None where it is what was posted."""
        posted = self._by_id.get(entry["id"])
        if posted is not None and posted.room != room:
            return "foreign"
        return "corrupt" if posted is not None and entry["text"] != posted.post.text else None

    def came_after_leave(self, entry: dict[str, Any], left: float, otherwise: str) -> None:
        """An entry of a room came to somebody whose leave of it had been acknowledged at the time ``left``.

        Posted before that, it may be of a flush that had begun. Posted later, no flush that had begun can hold it: then
        it is a fault of the kind ``otherwise``.
        """
        posted = self._by_id.get(entry.get("id", ""))
        if posted is None or (fault := self.fault(entry["room"], entry)):
            return self.faults.note("foreign" if posted is None else str(fault), 1, f"after a leave: {entry}")
        before = left - (posted.intended if posted.sent is None else posted.sent)
        kind, order = ("late_after_leave", "before") if before >= 0 else (otherwise, "after")
        since = time.monotonic() - left
        what = f"offset {entry.get('offset')} in {entry['room']}, posted {abs(before) * 1e3:.1f} ms {order} it was left"
        came = "after coming back, " if otherwise == "duplicated" else ""
        return self.faults.note(kind, 1, f"{what}, came {came}{since * 1e3:.1f} ms after that")

    def placed(self, entry: dict[str, Any]) -> Posted | None:
        """A right entry was seen for the first time. Returns the post that it is, if that is measured."""
        posted = self._by_id.get(entry["id"])
        if posted is None:
            self.faults.note("foreign", 1, f"posted by nobody here: {entry}")
            return None
        place = (entry["epoch"], entry["offset"])
        if posted.placed is not None:
            self.faults.note("duplicated", 1, f"post {posted.post.id} is at {posted.placed} and {place}")
        elif posted.acknowledged is not None:
            self._unseen -= 1
        posted.placed = place
        return posted if posted.measured else None

    def arrived(self, arrivals: "Arrivals") -> None:
        """Something arrived, at a time that the next ``settle`` gives."""
        self._arrived.append(arrivals)

    def arrived_alone(self, posted: Posted | None) -> None:
        """``posted`` (None where it is not measured) arrived at one member, before something that is missing."""
        self._alone.append(posted)

    def settle(self, now: float) -> None:
        """Count what arrived since the last call as arrived now: late rather than early, never flattering."""
        for arrivals in self._arrived:
            members = 0
            places = sorted(arrivals.changes)
            for first, last in pairwise(places):
                if members := members + arrivals.changes[first]:
                    self.delivered += members * (last - first)
                    for posted in arrivals.entries[first:last]:
                        if posted is not None:
                            self.count(posted, now, members)
            arrivals.changes.clear()
        self._arrived.clear()
        for posted in self._alone:
            self.delivered += 1
            if posted is not None:
                self.count(posted, now, 1)
        self._alone.clear()

    def count(self, posted: Posted, now: float, members: int) -> None:
        """Measure that ``posted`` arrived at so many ``members``."""
        self.latency.record(now - posted.intended, members)
        if now - posted.intended > self.objective:
            self.late += members

    # ---- steps ----------------------------------------------------------------------------------

    def begin_step(self) -> None:
        """Measure anew. What is known of earlier steps that all have received is let go."""
        self.latency, self.late = Histogram(), 0
        if not self._unanswered:
            self._by_ref.clear()
            self._by_id = {id_: posted for id_, posted in self._by_id.items() if posted.placed is None}

    def close_step(self, rooms: Mapping[str, tuple[int, int]], gone: Collection[int] = ()) -> None:
        """Compare what was acknowledged with what was seen, once nothing more can come.

        ``rooms`` are names with the number of members and the highest offset that any of them received: what is
        missing below that, the members have noticed themselves. ``gone`` are connections that get no replies any more.
        """
        for posted in self._unanswered.values():
            if posted.post.speaker not in gone:
                self.faults.note("unanswered", 1, f"post {posted.post.id}")
        self._unanswered.clear()
        self._unseen = 0
        for posted in self._by_id.values():
            members, highest = rooms[posted.room]
            if posted.acknowledged is None or posted.placed == posted.acknowledged:
                continue
            what = f"post {posted.post.id}, acknowledged as {posted.acknowledged}"
            if posted.placed is not None:
                self.faults.note("corrupt", 1, f"{what}, was delivered as {posted.placed}")
            elif posted.acknowledged[1] > highest and members:
                self.faults.note("lost", members, f"{what}, reached nobody")


class Arrivals:
    """Which entries of a room arrived since the last settling, at how many members.

    ``changes`` says by how much the number of members grows from one entry (its index) to the next. Members receive
    mostly the same entries at nearly the same time: however many they are, every entry is looked at once.
    """

    __slots__ = ("changes", "entries")

    def __init__(self) -> None:
        self.changes: dict[int, int] = {}
        self.entries: list[Posted | None] = []
        """Per entry the post that it is; None where it is not measured."""
