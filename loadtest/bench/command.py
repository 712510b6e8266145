"""`python -m loadtest bench`: what a person can say to it."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loadtest import circumstances
from loadtest.bench import matrix, standstills
from loadtest.bench.report import save
from loadtest.bench.results import Bench
from loadtest.bench.rig import Options
from loadtest.conductor.contender import UsageError
from loadtest.targets import TARGETS
from stack.server import DATA

STEP: Final = 2.0
STEPS: Final = 8
QUICK_STEPS: Final = 5
EXIT: Final = "Ends with 0; with 1 if a ledger was not clean or a target could not be measured; with 2 if misused."


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add what it can be told."""
    targets = "\n".join(f"  {target.name:<18} {target.title}" for target in TARGETS.values())
    shapes = "\n".join(f"  {name:<18} {title}" for name, title in matrix.PARTS.items())
    bench = commands.add_parser(
        "bench",
        help="find the highest rate of deliveries that each target holds",
        description="Find the highest rate of deliveries that each target holds, in each shape, and what must hold.",
        epilog=f"targets:\n{targets}\n\nshapes:\n{shapes}\n\n{EXIT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("--quick", action="store_true", help="fewer rows, and fewer steps: three minutes at most")
    bench.add_argument("--target", action="append", choices=list(TARGETS), metavar="TARGET", help="may be repeated")
    bench.add_argument("--shape", action="append", choices=list(matrix.PARTS), metavar="SHAPE", help="may be repeated")
    bench.add_argument("--duration", type=_seconds, metavar="S", help="seconds per step (2)")
    bench.add_argument("--seed", type=int, default=1, help="of the plans: the same seed posts the same (1)")
    bench.add_argument(
        "--out", type=Path, default=DATA / "bench", metavar="DIR", help="for JSON and table (.data/bench)"
    )
    bench.set_defaults(do=main)


def main(options: argparse.Namespace) -> int:
    """Measure, print the tables and store them; return the exit code. Raises UsageError."""
    if not (chosen := _matrix(options)):
        raise UsageError("none of these targets can be measured in these shapes")
    server_cpus, generator_cpus = _cpus()
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    about = circumstances.machine(server_cpus, generator_cpus)
    about |= {"standstills before": standstills.watch(server_cpus), "seed": str(options.seed)}
    found = Bench(now, about)
    settings = Options(
        duration=options.duration or STEP,
        steps=QUICK_STEPS if options.quick else STEPS,
        seed=options.seed,
        work_dir=options.out.resolve() / "work",
        server_cpus=server_cpus,
        generator_cpus=generator_cpus,
    )
    try:
        matrix.run(chosen, settings, found, _say)
    except KeyboardInterrupt:
        _say("Stopped.")
        return 130
    path = options.out / time.strftime("%Y%m%d-%H%M%S.json")
    print(save(found, path))
    print(f"Written to {path} and .md beside it.")
    return 1 if found.failed else 0


def _seconds(text: str) -> float:
    if not 0.1 <= (seconds := float(text)) <= 3600:
        raise argparse.ArgumentTypeError("from 0.1 to 3600")
    return seconds


def _matrix(options: argparse.Namespace) -> dict[str, Sequence[str]]:
    usual = matrix.QUICK if options.quick else matrix.FULL
    shapes = options.shape or (list(usual) if not options.target else ["one-500"])
    chosen: dict[str, Sequence[str]] = {}
    for shape in shapes:
        names = options.target or usual.get(shape) or matrix.FULL[shape]
        if measurable := [name for name in names if matrix.measurable(name, shape)]:
            chosen[shape] = measurable
    return chosen


def _cpus() -> tuple[frozenset[int] | None, frozenset[int] | None]:
    """One CPU for the server with its Redis, another one for the generator, where there are two."""
    if not hasattr(os, "sched_getaffinity") or len(allowed := sorted(os.sched_getaffinity(0))) < 2:
        return None, None
    return frozenset(allowed[:1]), frozenset(allowed[1:2])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
