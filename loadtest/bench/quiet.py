"""The quiet rate again and again, in turns: how far apart two servers are, and one server from itself."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from loadtest.bench.report import progress
from loadtest.bench.results import QUIET_RATE, Bench, Repeats, Step
from loadtest.bench.rig import ATTEMPTS, UNHURRIED, Options, Report, started
from loadtest.bench.turns import attempted, in_turns
from loadtest.ledger import Ledger
from loadtest.plan import SHAPES
from loadtest.targets import TARGETS

SHAPE: Final = SHAPES["one-500"]
REPEATS: Final = 5
FAR: Final = 1.5
"""A baseline that was this much slower than the best one, in the table, is not repeated."""


def worth_repeating(names: Sequence[str], bench: Bench) -> list[str]:
    """Return ``names`` without the baselines that ``bench`` shows to be far from the best one."""
    rows = [row for row in bench.rows if row.shape == SHAPE and row.kind == "baseline"]
    seen = {row.target: row.quiet.p99 for row in rows if row.quiet is not None and row.quiet.whole}
    return [name for name in names if name not in seen or seen[name] <= FAR * min(seen.values())]


def measure_quiet(names: Sequence[str], options: Options, bench: Bench, report: Report) -> None:
    """Add the repeats of all ``names`` to ``bench``; every repeat has a server of its own."""
    found = {}
    for name in worth_repeating(names, bench):
        target = TARGETS[name]
        found[name] = Repeats(name, target.title, target.kind, SHAPE)
    bench.repeats += found.values()
    for turn, name in in_turns(list(found), REPEATS):
        repeats = found[name]
        if repeats.error:
            continue
        attempted(repeats, report, partial(_undisturbed, repeats, turn, options, report))


def _undisturbed(repeats: Repeats, turn: int, options: Options, report: Report) -> None:
    """Add one repeat, begun anew where more than the server had a part in it."""
    attempts = 0
    while True:
        attempts += 1
        step = _repeat(repeats, turn, options)
        report(progress(repeats, step))
        if step.fair or attempts == ATTEMPTS:
            repeats.steps.append(step)
            return


def _repeat(repeats: Repeats, turn: int, options: Options) -> Step:
    """The same posts for all in the same turn, and others in the next."""
    ledger = Ledger(UNHURRIED)
    ledger.faults = repeats.faults
    with started(TARGETS[repeats.target], SHAPE.connections, options) as rig:
        rig.warm()
        with rig.generator(SHAPE, "quiet", ledger) as generator:
            rig.enter(generator)
            return rig.step(generator, QUIET_RATE, options.duration, options.seed + turn, f"q{turn}")
