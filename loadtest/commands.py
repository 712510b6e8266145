"""`list`, `run`, `compare`, `summary`, `report`, `replay`: what a person can say, and what is answered."""

import argparse
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from loadtest.conductor.by_locust import LOCUST
from loadtest.conductor.contender import UsageError, check, contenders
from loadtest.conductor.experiment import Experiment
from loadtest.conductor.place import Place
from loadtest.conductor.terminal import Progress
from loadtest.opinion import MARGIN, MARGIN_SECONDS, opinions
from loadtest.outcome.format import quantity
from loadtest.outcome.judge import judge
from loadtest.record.directory import DamagedRunError, StoredRun, run_directories
from loadtest.record.page import write_report
from loadtest.record.summary import summarize
from loadtest.record.tables import render, render_comparison
from loadtest.scenario import Scenario
from loadtest.scenarios import scenarios
from loadtest.schedule import make_schedule
from loadtest.targets import TARGETS
from loadtest.workload import Workload, resized
from stack.server import DATA, ROOT

RUNS: Final = DATA / "runs"
MOST_PROCESSES: Final = 4
SPARE_FILES: Final = 200

EXIT: Final = """\
Ends with 0: passed; 1: an objective was missed; 2: misused; 3: void, the generator was the limit; 4: a target does not
conform, and was not measured; 130: interrupted."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Make the commands known."""
    known = _command(commands, "list", _list, "list the scenarios and targets")
    known.add_argument("--names", action="store_true", help="the names of the scenarios alone, one in a line")
    run = _command(commands, "run", _run, "measure a scenario", epilog=EXIT)
    run.add_argument("scenario", metavar="SCENARIO", help="see `list`")
    run.add_argument("--target", action="append", metavar="TARGET", help="a target of `list`, or http://HOST:PORT")
    run.add_argument("--connections", type=_whole(1), metavar="N", help="members at most")
    run.add_argument("--rate", type=_number(0.01), metavar="R", help="messages a second at most, of all together")
    run.add_argument("--duration", type=_number(1, 86400), metavar="S", help="seconds of a trial")
    run.add_argument("--repeats", type=_whole(1), metavar="K", help="trials of each target, in randomised blocks")
    run.add_argument("--patience", type=_whole(0), metavar="N", help="trials to make again if others disturb (half)")
    run.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed, the same plan (1)")
    run.add_argument("--processes", type=_whole(1), metavar="N", help="of the generator (one for each CPU it has)")
    run.add_argument("--locust", type=_whole(1), metavar="N", help="let N workers of Locust start them (`make locust`)")
    run.add_argument("--locust-listen", metavar="HOST:PORT", help="for workers of Locust on other machines")
    run.add_argument("--out", type=Path, default=RUNS, metavar="DIR", help="where run directories go (.data/runs)")
    run.add_argument("--plain", action="store_true", help="lines instead of a live table")
    compare = _command(commands, "compare", _compare, "compare stored runs of one scenario")
    compare.add_argument("run", nargs="+", type=Path, metavar="RUN")
    report = _command(commands, "report", _report, "write the report of a stored run: HTML, Markdown, CSV")
    report.add_argument("run", nargs="+", type=Path, metavar="RUN")
    summary = _command(commands, "summary", _summary, "print one table of stored runs, a row each")
    summary.add_argument("run", nargs="*", type=Path, metavar="RUN", help="a run, or a directory of them (.data/runs)")
    summary.add_argument(
        "--since", default="", metavar="TIME", help="only runs of then (20261231-235959, UTC) or later"
    )
    opinion = _command(commands, "opinion", _opinion, "see whether Locust and k6, where installed, agree with us")
    opinion.add_argument("--target", default="async", metavar="TARGET", help="a backend (async)")
    opinion.add_argument("--duration", type=_number(2, 600), default=10.0, metavar="S", help="seconds of each (10)")
    replay = _command(commands, "replay", _replay, "judge a stored run again from what was recorded, and print it")
    replay.add_argument("run", type=Path, metavar="RUN")


def _command(commands: Any, name: str, do: Callable[[argparse.Namespace], int], text: str, epilog: str = "") -> Any:
    command = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(do=do)
    return command


def obey(options: argparse.Namespace) -> int:
    """Do what was said; what cannot be done is one line and exit code 2."""
    do: Callable[[argparse.Namespace], int] = options.do
    try:
        return do(options)
    except (UsageError, DamagedRunError) as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a directory that cannot be written, a disk that is full
        where = f"{error.filename}: " if error.filename else ""
        print(f"loadtest: {where}{error.strerror or error}", file=sys.stderr)
        return 2


# ---- the commands -------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    if options.names:
        print("\n".join(scenarios()))
        return 0
    print("scenarios:")
    for scenario in scenarios().values():
        print(f"  {scenario.name:<18} {scenario.title}")
    print("\ntargets:")
    for target in TARGETS.values():
        print(f"  {target.name:<18} {target.title}")
    print("  http://HOST:PORT   a backend that runs already")
    return 0


def _run(options: argparse.Namespace) -> int:
    scenario = _scenario(options.scenario)
    found = contenders(options.target or scenario.targets)
    workload = resized(scenario.workload, options.connections, options.rate, options.duration)
    processes = _check(workload, options.locust or options.processes)
    if options.locust and not LOCUST.exists():
        raise UsageError(f"there is no {LOCUST.relative_to(ROOT)}: `make locust` installs it")
    check(found)
    repeats = options.repeats or (scenario.repeats if len(found) > 1 else 1)
    experiment = Experiment(
        scenario,
        make_schedule(workload, options.seed),
        found,
        repeats,
        _through_locust(_place(workload, processes), options) if options.locust else _place(workload, processes),
        ["python", "-m", "loadtest", *sys.argv[1:]],
        options.out,
        patience=_patience(options.patience, repeats * len(found)),
    )
    with Progress(experiment, plain=options.plain) as progress:
        path, verdict = experiment.run(progress.see)
    stored = StoredRun.read(path)
    written = write_report(stored)
    print(render(stored))
    print(f"Written to {path}: {', '.join(one.name for one in written)}")
    return verdict.exit_code


def _compare(options: argparse.Namespace) -> int:
    print(render_comparison([StoredRun.read(path) for path in options.run]))
    return 0


def _summary(options: argparse.Namespace) -> int:
    paths = [path for given in options.run or [RUNS] for path in run_directories(given) if path.name >= options.since]
    if not paths:
        raise UsageError(f"no run since {options.since}")
    print(summarize([StoredRun.read(path) for path in paths]), end="")
    return 0


def _report(options: argparse.Namespace) -> int:
    for path in options.run:
        for written in write_report(StoredRun.read(path)):
            print(written)
    return 0


def _opinion(options: argparse.Namespace) -> int:
    (contender,) = contenders([options.target])
    if contender.target is not None and not contender.ours:
        raise UsageError(f"{options.target} has no sessions: name a backend of Tandem")
    check([contender])
    cpus = _place(Workload(connections=1, phases=()), 1)
    found, missing = opinions(contender, cpus, options.duration)
    ours = found[0]
    print(f"{'tool':<10} {'messages':>8} {'deliveries':>10} {'p50':>9} {'p99':>9}")
    for one in found:
        p50, p99 = quantity(one.p50, "seconds"), quantity(one.p99, "seconds")
        agrees = "" if one is ours else "agrees" if one.agrees(ours) else "DISAGREES"
        print(f"{one.tool:<10} {one.sent:>8} {one.deliveries:>10} {p50:>9} {p99:>9}  {agrees}")
    print("Three turns each; the lowest of the percentiles of a turn.")
    margin = f"{quantity(MARGIN_SECONDS, 'seconds')} or {MARGIN:.0%}"
    print(f"Agreement: every delivery seen, and medians within {margin}, whichever is more.")
    for tool in missing:
        print(f"{tool} is not installed" + (": `make locust`" if tool == "Locust" else ""))
    return 0 if all(one.agrees(ours) for one in found) else 1


def _replay(options: argparse.Namespace) -> int:
    stored = StoredRun.read(options.run)
    verdict = judge(stored.run, stored.plan, stored.trials, interrupted=stored.run.status != "complete")
    same = verdict == stored.verdict
    stored.verdict = verdict
    print(render(stored))
    if not same:
        print("This is not the verdict that is stored in the directory.", file=sys.stderr)
    return verdict.exit_code


# ---- what they need -----------------------------------------------------------------------------


def _patience(asked: int | None, trials: int) -> int:
    return max(2, trials // 2) if asked is None else asked


def _scenario(name: str) -> Scenario:
    known = scenarios()
    if name not in known:
        raise UsageError(f"no scenario {name!r}: there are {', '.join(known)}")
    return known[name]


def _check(workload: Workload, processes: int | None) -> int:
    """Return the number of the generator's processes. Raises UsageError where there are not enough descriptors."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = processes or max(1, min(MOST_PROCESSES, cpus - workload.workers - (cpus > 3)))

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = workload.most_connections + SPARE_FILES
    if needed > most:
        raise UsageError(
            f"{workload.most_connections} connections need {needed} descriptors in the server, and this shell allows "
            f"{most}: raise it with `ulimit -n`, or ask for fewer with --connections"
        )
    return count


def _place(workload: Workload, processes: int) -> Place:
    """The server with its Redis on the first CPUs, the generator on those behind; nothing is pinned on one CPU."""
    if not hasattr(os, "sched_getaffinity") or len(cpus := sorted(os.sched_getaffinity(0))) < 2:
        return Place(None, (None,) * processes)
    servers = cpus[:1] if len(cpus) < 4 else cpus[: min(len(cpus) - 2, workload.workers + 1)]
    others = [cpu for cpu in cpus if cpu not in servers]
    return Place(frozenset(servers), tuple(others[number % len(others)] for number in range(processes)))


def _through_locust(place: Place, options: argparse.Namespace) -> Place:
    """Workers on other machines choose their CPUs themselves."""
    listens = options.locust_listen
    if listens is not None and not (listens.rpartition(":")[0] and listens.rpartition(":")[2].isdecimal()):
        raise UsageError(f"--locust-listen {listens}: HOST:PORT is meant")
    cpus = (None,) * place.processes if listens else place.generator_cpus
    return replace(place, by_locust=True, locust_listens=listens, generator_cpus=cpus)


def _whole(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= 10_000_000:
            raise argparse.ArgumentTypeError(f"a whole number from {least}")
        return int(text)

    return number


def _number(least: float, most: float = 1e9) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"from {least:g} to {most:g}")
        return value

    return number
