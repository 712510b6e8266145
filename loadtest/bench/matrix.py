"""The benchmark of fan-out: every target in every shape, and what must hold beside that."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from loadtest.baselines.node import InstallError
from loadtest.bench.ceiling import Ceiling
from loadtest.bench.quiet import measure_quiet
from loadtest.bench.reach import MANY, measure_reach
from loadtest.bench.results import Bench, Found, Reach, Row, Stall
from loadtest.bench.rig import Options, Report, clean_dir, pinned, started
from loadtest.bench.stalled import ROOM, measure_stalled
from loadtest.bench.verdicts import CLAIMED
from loadtest.circumstances import describe
from loadtest.generator import GeneratorError
from loadtest.plan import SHAPES
from loadtest.targets import TARGETS, Target
from stack.errors import StackError

BACKENDS: Final = ("async", "sync")
BASELINES: Final = ("fastapi-tutorial", "flask-tutorial", "node-ws")
QUIET: Final = "quiet"
PARTS: Final = {shape.name: shape.title for shape in SHAPES.values()} | {
    QUIET: "50 messages/s in one room of 500, again and again, in turns",
    ROOM.name: f"{ROOM.title}: what the others notice",
    MANY.name: f"{MANY.title}: a message to all of them",
}
"""What ``--shape`` takes."""

FULL: Final = {
    "one-500": tuple(name for name in TARGETS if name != "broken"),
    QUIET: (*BASELINES, *BACKENDS),
    ROOM.name: BACKENDS,
    MANY.name: BACKENDS,
    "one-5000": ("fastapi-tutorial", "node-ws", *BACKENDS),
    "200x5": ("fastapi-tutorial", "node-ws", *BACKENDS),
    "1to1": ("fastapi-tutorial", "node-ws", *BACKENDS),
}
QUICK: Final = {"one-500": ("fastapi-tutorial", "node-ws", *BACKENDS, "null"), MANY.name: BACKENDS}


def measurable(target: str, part: str) -> bool:
    """Return whether ``target`` can take part: only with a log can members who were closed as slow resume."""
    return part != ROOM.name or TARGETS[target].kind == "tandem"


def run(matrix: dict[str, Sequence[str]], options: Options, bench: Bench, report: Report) -> None:
    """Measure every target of every part in ``matrix`` (names) and add to ``bench`` what is found, as it is found."""
    began = time.monotonic()
    with pinned(options.generator_cpus), clean_dir(options.work_dir):
        for part, targets in matrix.items():
            report(f"{PARTS[part]}:")
            if part == QUIET:
                measure_quiet(targets, options, bench, report)
            else:
                for target in _in_order(part, targets, options.searches):
                    _measure(TARGETS[target], part, options, bench, report)
            bench.seconds = time.monotonic() - began
            report(f"  {bench.seconds:.0f} s so far")


def _in_order(part: str, targets: Sequence[str], searches: int) -> Iterator[str]:
    """Yield whose turn it is: all once, then those again of which a ratio is promised, as far apart as may be."""
    yield from targets
    claimed = [target for target in targets if target in CLAIMED.get(part, ())]
    for _ in range(searches - 1 if len(claimed) > 1 else 0):
        yield from claimed


def _measure(target: Target, part: str, options: Options, bench: Bench, report: Report) -> None:
    if part == MANY.name:
        reach = Reach(target.name, target.title, target.kind, MANY)
        bench.reaches.append(reach)
        _attempt(reach, lambda: measure_reach(reach, target, options, report), report)
    elif part == ROOM.name:
        stall = Stall(target.name, target.title, target.kind, ROOM)
        bench.stalls.append(stall)
        _attempt(stall, lambda: measure_stalled(stall, target, options, report), report)
    else:
        row = Row(target.name, target.title, target.kind, SHAPES[part])
        bench.rows.append(row)
        _attempt(row, lambda: _find_ceiling(row, target, options, bench, report), report)


def _find_ceiling(row: Row, target: Target, options: Options, bench: Bench, report: Report) -> None:
    earlier = next((one.sustained for one in bench.best if _same(one, row) and one.sustained), None)
    with started(target, row.shape.connections, options) as rig:
        bench.environment |= describe(rig.redis)
        Ceiling(row, rig, report, earlier.rate if earlier else None).find()


def _same(one: Row, other: Row) -> bool:
    return (one.target, one.shape) == (other.target, other.shape)


def _attempt(found: Found, measure: Callable[[], None], report: Report) -> None:
    """Measure; where that fails, what was ``found`` says why."""
    try:
        measure()
    except (StackError, GeneratorError, InstallError, OSError) as error:
        found.error = str(error)
        report(f"  {found.target:<18} {error}")
