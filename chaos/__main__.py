"""`python -m chaos`: what a person can say to it."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from chaos import jitter, matrix, soak
from chaos.checker import check
from chaos.faults import FAULTS
from chaos.history import History
from chaos.run import SITES
from stack.errors import StackError
from stack.server import DATA

EXIT = "Ends with 0; with 1 if anything was found; with 2 if misused."


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m chaos", description="Hurt the servers under load, and prove from records that nothing was lost."
    )
    commands = arguments.add_subparsers(required=True, metavar="run | check | jitter | soak", dest="command")
    faults = "\n".join(f"  {fault.name:<18} {fault.title}" for fault in FAULTS.values())
    run = _command(commands, "run", "do one fault after another while people chat", f"faults:\n{faults}\n\n{EXIT}")
    run.add_argument("--seeds", type=int, default=20, metavar="N", help="how many (20)")
    run.add_argument("--seed", type=int, default=1, metavar="N", help="the first one (1)")
    run.add_argument("--minutes", type=float, metavar="M", help="go on with further seeds until so much time is over")
    run.add_argument("--fault", action="append", choices=list(FAULTS), metavar="FAULT", help="may be repeated")
    run.add_argument("--profile", action="append", choices=list(SITES), help="may be repeated")
    again = _command(commands, "check", "check once more what a failing run has left", EXIT)
    again.add_argument("records", type=Path, help="the directory that the run named")
    lossy = _command(commands, "jitter", "cut many clients many times, and see that all get all, once", EXIT)
    lossy.add_argument("--clients", type=int, default=100, metavar="N", help="how many (100)")
    lossy.add_argument("--cuts", type=int, default=8, metavar="N", help="how often each is cut (8)")
    lossy.add_argument("--profile", action="append", choices=list(SITES), help="may be repeated")
    long = _command(commands, "soak", "let clients come and go for long, and see that nothing grows", EXIT)
    long.add_argument("--minutes", type=float, default=30.0, metavar="M", help="how long (30)")
    for command in (run, lossy, long):
        command.add_argument(
            "--out", type=Path, default=DATA / "chaos", metavar="DIR", help="for records of what failed (.data/chaos)"
        )
    return arguments


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: str, epilog: str
) -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(
        name, help=does, description=f"{does.capitalize()}.", epilog=epilog, formatter_class=form
    )


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.command == "check":
            return _check(options.records)
        directory = options.out.resolve() / time.strftime("%Y%m%d-%H%M%S")
        profiles = getattr(options, "profile", None) or list(SITES)
        if options.command == "soak":
            return asyncio.run(soak.soak(options.minutes, directory, _say))
        if options.command == "jitter":
            return asyncio.run(jitter.rehearse(profiles, options.clients, options.cuts, directory, _say))
        plan = matrix.Plan(options.fault or list(FAULTS), profiles, options.seed, options.seeds, options.minutes)
        return asyncio.run(matrix.run_all(plan, directory, _say))
    except StackError as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("Stopped.")
        return 130


def _check(directory: Path) -> int:
    try:
        verdict = check(History.load(directory))
    except (OSError, ValueError) as error:
        print(f"no records of a run in {directory}: {error}", file=sys.stderr)
        return 2
    for finding in verdict.findings:
        _say(str(finding))
    account = verdict.account
    _say(f"{account.acked} acknowledged, {account.delivered} delivered, {len(verdict.findings)} findings")
    return 1 if verdict.findings else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
