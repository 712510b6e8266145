"""What must hold, and whether it did: every bound is a ratio, or a difference, of figures of one run.

A bound is judged where everything it speaks of was measured.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.bench.format import ms
from loadtest.bench.results import Bench, Reach, Stall

YARDSTICK: Final = "fastapi-tutorial"
OURS: Final = ("async", "sync")
RATIOS: Final = (
    ("one-500", "async", YARDSTICK, 40.0, False),
    ("one-500", "sync", YARDSTICK, 20.0, False),
    ("one-500", "async", "node-ws", 12.0, False),
    ("one-500", "sync", "node-ws", 12.0, False),
    ("one-500", "async", "null", 0.8, True),
    ("one-500", "sync", "null", 0.8, True),
    ("200x5", "async", YARDSTICK, 0.6, False),
    ("200x5", "sync", YARDSTICK, 0.6, False),
    ("200x5", "async", YARDSTICK, 1.0, True),
    ("200x5", "sync", YARDSTICK, 1.0, True),
)
"""Shape, target, and how many times the deliveries per second of another target it is to hold; True for an aim."""
CLAIMED: Final = {
    shape: frozenset(name for of, *names, _, _ in RATIOS if of == shape for name in names) for shape, *_ in RATIOS
}
"""The targets of which a ratio is promised or aimed at, by shape."""
CEILING: Final = "null"
NO_ROOM: Final = 0.8
"""The part of what CEILING holds from which on a target may be as fast as the machine and the generator allow."""
COMMIT: Final = 0.002
"""Seconds by which the median of one to one may exceed the tutorial's, for a commit to Redis and its disk."""
REACH: Final = 3.0
"""Seconds in which a message reaches the last member of the largest room."""
ALIKE: Final = 1.1
"""How much longer latency may be beside members that do not read."""
ROOM: Final = 1.25
"""Memory may grow by this much more than the bytes that may be queued: what holds them takes room too."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``aim``: what is hoped for, not promised. ``no_room``: a server that only writes holds hardly more here."""

    bound: str
    measured: str
    held: bool
    aim: bool = False
    no_room: bool = False

    @property
    def outcome(self) -> str:
        if self.aim:
            return "reached" if self.held else "not reached"
        if self.no_room and not self.held:
            return "no room"
        return "held" if self.held else "MISSED"


def judge(bench: Bench) -> list[Verdict]:
    """Return a verdict on everything that was measured and of which something is promised."""
    return [
        *_ratios(bench),
        *_one_to_one(bench),
        *_quiet(bench),
        *_reach(bench),
        *_stalls(bench),
        *_cut(bench),
        *_ledger(bench),
    ]


def _ratios(bench: Bench) -> Iterator[Verdict]:
    rows = {(row.shape.name, row.target): row for row in bench.rows if not row.error}
    for shape, target, other, times, aim in RATIOS:
        if (ours := rows.get((shape, target))) and (theirs := rows.get((shape, other))):
            ratio = ours.rate / theirs.rate if theirs.rate else math.inf * ours.rate
            # A lower bound of theirs makes an upper one of the ratio.
            sign = {(True, False): "≥ ", (False, True): "≤ "}.get((ours.lower_bound, theirs.lower_bound), "")
            bound = f"{ours.shape.title}: {target} ≥ {times:g} × {other}, deliveries/s"
            ceiling = rows.get((shape, CEILING))
            no_room = ceiling is not None and ours.rate >= NO_ROOM * ceiling.rate > 0
            beside = f"; {CEILING}: {_times(ceiling.rate / theirs.rate)}" if ceiling and theirs.rate and not aim else ""
            yield Verdict(bound, f"{sign}{_times(ratio)}{beside}", ratio >= times, aim, no_room)


def _times(ratio: float) -> str:
    return f"{ratio:.{2 if ratio < 10 else 1}f} ×"


def _one_to_one(bench: Bench) -> Iterator[Verdict]:
    quiet = {row.target: row.quiet for row in bench.rows if row.shape.name == "1to1"}
    if (tutorial := quiet.get(YARDSTICK)) is None:
        return
    for target in OURS:
        if (ours := quiet.get(target)) is not None:
            more = ours.p50 - tutorial.p50
            bound = f"1 speaker and 1 listener: p50 of {target} within {ms(COMMIT)} of {YARDSTICK}"
            yield Verdict(bound, f"{ms(more)} more: {ms(ours.p50)}, {ms(tutorial.p50)}", more <= COMMIT)


def _quiet(bench: Bench) -> Iterator[Verdict]:
    baselines = [found for found in bench.repeats if found.kind == "baseline" and found.steps]
    if not baselines:
        return
    best = min(baselines, key=lambda found: statistics.median(found.p99s))
    for ours in bench.repeats:
        if ours.target in OURS and ours.steps:
            theirs = statistics.median(best.p99s)
            held = statistics.median(ours.p99s) <= theirs or min(ours.p99s) <= theirs
            bound = f"50 messages/s: p99 of {ours.target} no worse than {best.target}'s, or within its own spread"
            yield Verdict(bound, f"{spread(ours.p99s)}, {spread(best.p99s)}", held)


def _reach(bench: Bench) -> Iterator[Verdict]:
    for reach in bench.reaches:
        if reach.target in OURS and not reach.error:
            members = f"{reach.shape.connections:,} members" + (f" ({reach.limit})" if reach.limit else "")
            held = reach.longest <= REACH and reach.whole and reach.shape.connections >= reach.wanted
            lost = "nobody lost" if reach.whole else f"not whole: {_faults(reach)}"
            bound = f"{reach.wanted:,} members of {reach.target}: a message reaches all of them within {REACH:g} s"
            yield Verdict(bound, f"{members}, {ms(reach.longest)}, {lost}", held)


def _faults(reach: Reach) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in reach.faults.counts().items() if count) or "given up"


def _stalls(bench: Bench) -> Iterator[Verdict]:
    for stall in bench.stalls:
        runs = [run for run in stall.runs if run.stalled]
        if stall.target not in OURS or not runs or not stall.p99s(stalled=False):
            continue
        which = f"{runs[0].stalled} of {stall.shape.connections} do not read, {stall.target}"
        without, beside = stall.p99s(stalled=False), stall.p99s(stalled=True)
        bound = f"{which}: the others' p99 within {ALIKE - 1:.0%}, or the same spread"
        yield Verdict(bound, f"{spread(beside)} beside them, {spread(without)} without", alike(beside, without))
        stalled = sum(run.stalled for run in runs)
        closed, resumed = sum(run.closed for run in runs), sum(run.resumed for run in runs)
        yield Verdict(f"{which}: these are closed as slow", f"{closed} of {stalled}", closed == stalled)
        yield Verdict(f"{which}: these resume without loss", f"{resumed} of {stalled}", resumed == stalled)
        yield _memory(which, stall)


def _memory(which: str, stall: Stall) -> Verdict:
    """Memory in excess of what the same posts take without stalled members is that of these members."""
    usual = max(run.memory for run in stall.runs if not run.stalled)
    excess = max(run.memory - usual for run in stall.runs if run.stalled)
    allowed = max(run.queued for run in stall.runs)
    bound = f"{which}: memory stays within {ROOM:g} × what may be queued"
    return Verdict(bound, f"{excess / 2**20:.1f} MiB of {allowed / 2**20:.1f} MiB", excess <= ROOM * allowed)


def alike(these: Sequence[float], usual: Sequence[float]) -> bool:
    """Return whether the median of ``these`` is near the one of the ``usual`` repeats, or among them."""
    return statistics.median(these) <= max(ALIKE * statistics.median(usual), *usual)


def _cut(bench: Bench) -> Iterator[Verdict]:
    """Whom a server closes misses nothing that the ledger knows of; it is a finding all the same."""
    for target in OURS:
        rows = [found for found in bench.found if found.target == target]
        if rows:
            cut = sum(found.faults.disconnected for found in rows)
            yield Verdict(f"{target}: closes nobody who reads, at any rate", f"{cut} closed", not cut)


def _ledger(bench: Bench) -> Iterator[Verdict]:
    if bench.found:
        broken = [f"{found.target}, {found.shape.title}" for found in bench.found if found.broken]
        deliveries = sum(found.deliveries for found in bench.found)
        measured = f"{deliveries:,} deliveries checked" + "".join(f"; BROKEN: {one}" for one in broken)
        yield Verdict("Ledger: nothing lost, doubled, out of order, altered or unanswered", measured, not broken)


def spread(values: Sequence[float]) -> str:
    """Return the median of some durations in seconds, and from where to where they go."""
    return f"{ms(statistics.median(values))} ({ms(min(values))} to {ms(max(values))})"
