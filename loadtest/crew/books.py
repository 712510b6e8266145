"""The ledger of one process of the generator: per phase for the judgement, per second for who looks on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from loadtest.histogram import Histogram
from loadtest.ledger import Ledger, Posted

LATENCIES: Final = (
    "delivery",
    "service",
    "uncorrected",
    "send_lag",
    "handshake",
    "http",
    "first",
    "median",
    "last",
)
SECOND_LATENCIES: Final = ("delivery", "service", "handshake", "http", "send_lag", "loop_lag")

Counts = list[tuple[int, int]]


@dataclass(slots=True)
class PhaseBooks:
    """What belongs to one phase: by when it was meant to happen, not by when it did."""

    planned: int = 0
    sent: int = 0
    acknowledged: int = 0
    deliveries: int = 0
    latency: dict[str, Histogram] = field(default_factory=lambda: {name: Histogram() for name in LATENCIES})

    def as_json(self) -> dict[str, Any]:
        return {
            "planned": self.planned,
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "deliveries": self.deliveries,
            "latency": {name: packed(histogram) for name, histogram in self.latency.items()},
        }


@dataclass(slots=True)
class SecondBooks:
    """What happened in one second."""

    planned: int = 0
    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    unsent: int = 0
    http_failed: int = 0
    recovered: int = 0
    turned_away: int = 0
    ended: int = 0
    failures: int = 0
    closes: Counter[str] = field(default_factory=Counter)
    latency: dict[str, Histogram] = field(default_factory=lambda: {name: Histogram() for name in SECOND_LATENCIES})

    def as_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return plain | {"latency": {name: packed(histogram) for name, histogram in self.latency.items()}}


class Books(Ledger):
    """See the module. ``phases`` is their number; each post knows in which it belongs."""

    def __init__(self, phases: int) -> None:
        super().__init__(objective=float("inf"))
        self.phases = [PhaseBooks() for _ in range(phases)]
        self.second = SecondBooks()
        self._busy_until: dict[str, float] = {}

    def count(self, posted: Posted, now: float, members: int) -> None:
        """Measure that ``posted`` arrived at so many ``members``."""
        took = now - posted.intended
        phase = self.phases[posted.window]
        latency = phase.latency
        phase.deliveries += members
        latency["delivery"].record(took, members)
        self.second.latency["delivery"].record(took, members)
        if posted.sent is not None:
            latency["service"].record(now - posted.sent, members)
            self.second.latency["service"].record(now - posted.sent, members)
        before, posted.reached = posted.reached, posted.reached + members
        if not before:
            latency["first"].record(took)
            self._see_as_closed_loop(posted, now)
        if before * 2 < posted.audience <= posted.reached * 2:
            latency["median"].record(took)
        if before < posted.audience <= posted.reached:
            latency["last"].record(took)

    def _see_as_closed_loop(self, posted: Posted, now: float) -> None:
        """What a tool would record that sends the next message of a room only when the last one has arrived: nothing
        of what was to be sent meanwhile. This is how a standstill of two seconds becomes one slow message."""
        if posted.sent is not None and posted.intended >= self._busy_until.get(posted.room, 0.0):
            self._busy_until[posted.room] = now
            self.phases[posted.window].latency["uncorrected"].record(now - posted.sent)

    def replied(self, connection: int, reply: dict[str, Any]) -> None:
        posted = self._by_ref.get(reply.get("ref", -1))
        refused = self.faults.refused
        super().replied(connection, reply)
        if self.faults.refused > refused:
            self.second.refused += 1
        elif posted is not None and posted.acknowledged is not None and posted.replies == 1:
            self.second.acknowledged += 1
            self.phases[posted.window].acknowledged += 1

    # ---- the end --------------------------------------------------------------------------------

    def tops(self) -> dict[str, int]:
        """Return by room the highest offset that was acknowledged here."""
        tops: dict[str, int] = {}
        for posted in self._by_ref.values():
            if posted.acknowledged is not None:
                tops[posted.room] = max(tops.get(posted.room, 0), posted.acknowledged[1])
        return tops

    def hang_up(self, speaker: int) -> None:
        """The connection of ``speaker`` was lost: what it has not been answered it never will be."""
        for ref in [ref for ref, posted in self._unanswered.items() if posted.post.speaker == speaker]:
            del self._unanswered[ref]

    def close(self, settled: bool) -> None:
        """Judge what was sent here. Where a backlog remains, what was not answered yet may still be."""
        for posted in self._unanswered.values() if settled else ():
            self.faults.note("unanswered", 1, f"post {posted.post.id}")
        for posted in self._by_ref.values():
            if posted.acknowledged and posted.placed and posted.placed != posted.acknowledged:
                what = f"post {posted.post.id}, acknowledged as {posted.acknowledged}, was delivered as {posted.placed}"
                self.faults.note("corrupt", 1, what)

    def unplaced(self, audience: Mapping[str, int], answered: bool) -> int:
        """Return the deliveries that should have been of posts that were refused (not answered), and never came."""
        own = (one for one in self._by_ref.values() if one.acknowledged is None and one.placed is None)
        return sum(audience[one.post.id] for one in own if bool(one.replies) == answered)

    def arrived_by_room(self) -> dict[str, list[float]]:
        """Return by room when the entries that some member received were to be sent, in order."""
        times: dict[str, list[float]] = {}
        for posted in self._by_id.values():
            if posted.placed is not None:
                times.setdefault(posted.room, []).append(posted.intended)
        return {room: sorted(intended) for room, intended in times.items()}


def packed(histogram: Histogram) -> dict[str, Any]:
    """Return a histogram as it goes from process to process: nothing is lost."""
    return {"longest": histogram.longest, "counts": sorted(histogram.counts.items())}


def unpacked(plain: Mapping[str, Any]) -> Histogram:
    """Return what ``packed`` took apart."""
    histogram = Histogram()
    histogram.longest = plain["longest"]
    histogram.counts = dict(plain["counts"])
    histogram.count = sum(histogram.counts.values())
    return histogram
