"""Members that do not read, in one room with others that do: what the others notice, and what becomes of them."""

from dataclasses import replace
from typing import Any, Final

from loadtest.bench.report import progress_stalled
from loadtest.bench.results import Stall, StallRun
from loadtest.bench.rig import ATTEMPTS, UNHURRIED, Options, Report, Rig, started
from loadtest.bench.sleeper import Sleeper, resumed
from loadtest.generator import Generator
from loadtest.ledger import Ledger
from loadtest.plan import Shape
from loadtest.sampler import Peak
from loadtest.targets import Target

ROOM: Final = Shape("stalled", "one room of 500, 5 % of which do not read", 1, 500, 500)
SHARE: Final = 0.05
REPEATS: Final = 4
RATE: Final = 1600.0
DURATION: Final = 4.0
"""Messages a second and seconds: with some 240 bytes each, more than a stalled member's buffers take."""
OUTBOX: Final = 1024 * 1024
"""CHAT_OUTBOX_HARD as shipped."""


def measure_stalled(found: Stall, target: Target, options: Options, report: Report) -> None:
    """Fill ``found``. Raises GeneratorError where members cannot get in, OSError where the server tells no metrics."""
    stalled = round(found.shape.members * SHARE)
    reading = replace(found.shape, members=found.shape.members - stalled, speakers=found.shape.members - stalled)
    ledger = Ledger(UNHURRIED)
    found.faults = ledger.faults
    with started(target, found.shape.connections, options) as rig:
        rig.warm()
        with rig.generator(reading, "stalled", ledger) as generator:
            rig.enter(generator)
            for turn in range(REPEATS):
                # Each goes first in turn: what a repeat leaves behind is not always the other one's.
                for number in (0, stalled) if turn % 2 == 0 else (stalled, 0):
                    found.runs.append(_undisturbed(found, rig, generator, turn, number, report))


def _undisturbed(found: Stall, rig: Rig, generator: Generator, turn: int, stalled: int, report: Report) -> StallRun:
    """One repeat, begun anew where other processes had a part in it."""
    attempts = 0
    while True:
        attempts += 1
        run = _run(rig, generator, turn, stalled, f"m{turn}-{stalled}-{attempts}")
        report(progress_stalled(found, run))
        if not run.step.disturbed or attempts == ATTEMPTS:
            return run


def _run(rig: Rig, generator: Generator, turn: int, stalled: int, label: str) -> StallRun:
    """One repeat. Those who read are the same in all of them; those who do not come for this one."""
    generator.refill(30.0)
    sleepers = [Sleeper(rig.address, generator.room(0), rig.headers()) for _ in range(stalled)]
    try:
        generator.wait_quiet(1.0, 10.0)
        rig.wait_calm(generator, 3.0)
        slow = rig.metric("chat_slow_consumers_total")
        with Peak(rig.server.pids) as peak:
            step = rig.step(generator, RATE, DURATION, rig.options.seed + turn, label)
        run = StallRun(stalled, step, peak.growth, queued=stalled * OUTBOX)
        run.closed = round(rig.metric("chat_slow_consumers_total") - slow)
        run.resumed = sum(_comes_back(sleeper, rig, generator) for sleeper in sleepers)
    finally:
        for sleeper in sleepers:
            sleeper.close()
    return run


def _comes_back(sleeper: Sleeper, rig: Rig, generator: Generator) -> bool:
    """Whether one that reads again, and resumes, has had everything once and in order; what it had not is noted."""
    said = generator.entries(0)
    had = sleeper.read_rest(said[-1]["offset"] if said else 0)
    sleeper.close()
    missed = resumed(rig.address, sleeper.room, rig.headers(), sleeper.position)
    if (fault := differs(had + missed, said)) is None:
        return True
    generator.ledger.faults.note(*fault)
    return False


def differs(had: list[dict[str, Any]], said: list[dict[str, Any]]) -> tuple[str, int, str] | None:
    """Return what is wrong with the entries that somebody ``had`` where these were ``said``: the kind of fault, how
    often, and an example; None where they are the same."""
    if had == said:
        return None
    places, all_places = [one["offset"] for one in had], [one["offset"] for one in said]
    if lost := sorted(set(all_places) - set(places)):
        return "lost", len(lost), f"offset {lost[0]} by one that resumed"
    if len(places) != len(set(places)):
        return "duplicated", len(places) - len(set(places)), "by one that resumed"
    if set(places) == set(all_places) and places != all_places:
        return "reordered", 1, "for one that resumed"
    return "corrupt", 1, "an entry reached one that resumed differently from others"
