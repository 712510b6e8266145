"""The benchmark of fan-out: every target in every shape, and what must hold beside that."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from loadtest.bench.ceiling import find_ceilings
from loadtest.bench.quiet import measure_quiet
from loadtest.bench.reach import MANY, measure_reach
from loadtest.bench.results import Bench, Reach, Row, Stall
from loadtest.bench.rig import Options, Report, clean_dir, pinned
from loadtest.bench.stalled import ROOM, measure_stalled
from loadtest.bench.turns import attempted
from loadtest.bench.verdicts import CLAIMED
from loadtest.plan import SHAPES
from loadtest.targets import TARGETS, Target

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
            elif part in SHAPES:
                _find_ceilings(part, targets, options, bench, report)
            else:
                for target in targets:
                    _measure(TARGETS[target], part, options, bench, report)
            bench.seconds = time.monotonic() - began
            report(f"  {bench.seconds:.0f} s so far")


def _find_ceilings(part: str, targets: Sequence[str], options: Options, bench: Bench, report: Report) -> None:
    rows = {name: Row(name, TARGETS[name].title, TARGETS[name].kind, SHAPES[part]) for name in targets}
    bench.rows += rows.values()
    for together in side_by_side(part, targets):
        find_ceilings([rows[name] for name in together], options, bench, report)


def side_by_side(part: str, targets: Sequence[str]) -> Iterator[list[str]]:
    """Yield who are measured together: those of which a ratio is promised; every other one is alone."""
    claimed = [target for target in targets if target in CLAIMED.get(part, ())]
    yield from ([claimed] if claimed else [])
    yield from ([target] for target in targets if target not in claimed)


def _measure(target: Target, part: str, options: Options, bench: Bench, report: Report) -> None:
    if part == MANY.name:
        reach = Reach(target.name, target.title, target.kind, MANY)
        bench.reaches.append(reach)
        attempted(reach, report, partial(measure_reach, reach, target, options, report))
    else:
        stall = Stall(target.name, target.title, target.kind, ROOM)
        bench.stalls.append(stall)
        attempted(stall, report, partial(measure_stalled, stall, target, options, report))
