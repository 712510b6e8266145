"""`python -m loadtest`: what a person can say to it."""

import argparse
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from loadtest import bench, circumstances, commands
from loadtest.monitor import command as monitor
from loadtest.report import save
from loadtest.results import Bench
from loadtest.rig import Options
from loadtest.targets import TARGETS
from stack.server import DATA

STEP = 3.0
QUICK_STEP = 2.5


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="python -m loadtest", description="Measure the servers of Tandem.")
    known = arguments.add_subparsers(required=True, metavar="COMMAND")
    commands.add_to(known)
    monitor.add_to(known)
    targets = "\n".join(f"  {target.name:<18} {target.title}" for target in TARGETS.values())
    shapes = "\n".join(f"  {name:<18} {title}" for name, title in bench.PARTS.items())
    one = known.add_parser(
        "bench",
        help="find the highest rate of deliveries that each target holds",
        description="Find the highest rate of deliveries that each target holds, in each shape, and what must hold.",
        epilog=f"targets:\n{targets}\n\nshapes:\n{shapes}\n\n{EXIT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("--quick", action="store_true", help="fewer rows and shorter steps: three minutes at most")
    one.add_argument("--target", action="append", choices=list(TARGETS), metavar="TARGET", help="may be repeated")
    one.add_argument("--shape", action="append", choices=list(bench.PARTS), metavar="SHAPE", help="may be repeated")
    one.add_argument("--duration", type=_seconds, metavar="S", help="seconds per step (3; with --quick 2.5)")
    one.add_argument("--seed", type=int, default=1, help="of the plans: the same seed posts the same (1)")
    one.add_argument("--out", type=Path, default=DATA / "bench", metavar="DIR", help="for JSON and table (.data/bench)")
    one.set_defaults(do=_bench)
    return arguments


EXIT = "Ends with 0; with 1 if a ledger was not clean or a target could not be measured; with 2 if misused."


def main(arguments: Sequence[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _allow_files()
    return commands.obey(parser().parse_args(arguments))


def _bench(options: argparse.Namespace) -> int:
    if not (matrix := _matrix(options)):
        parser().error("none of these targets can be measured in these shapes")
    server_cpus, generator_cpus = _cpus()
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    found = Bench(now, circumstances.machine(server_cpus, generator_cpus) | {"seed": str(options.seed)})
    settings = Options(
        duration=options.duration or (QUICK_STEP if options.quick else STEP),
        bisections=1 if options.quick else 2,
        seed=options.seed,
        work_dir=options.out.resolve() / "work",
        server_cpus=server_cpus,
        generator_cpus=generator_cpus,
    )
    try:
        bench.run(matrix, settings, found, _say)
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
    usual = bench.QUICK if options.quick else bench.FULL
    shapes = options.shape or (list(usual) if not options.target else ["one-500"])
    matrix: dict[str, Sequence[str]] = {}
    for shape in shapes:
        names = options.target or usual.get(shape) or bench.FULL[shape]
        if measurable := [name for name in names if bench.measurable(name, shape)]:
            matrix[shape] = measurable
    return matrix


def _cpus() -> tuple[frozenset[int] | None, frozenset[int] | None]:
    """One CPU for the server with its Redis, another one for the generator, where there are two."""
    if not hasattr(os, "sched_getaffinity") or len(allowed := sorted(os.sched_getaffinity(0))) < 2:
        return None, None
    return frozenset(allowed[:1]), frozenset(allowed[1:2])


def _allow_files() -> None:
    """As many descriptors as may be had, here and in the servers: a connection is one at either end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
