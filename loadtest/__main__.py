"""`python -m loadtest`: what a person can say to it."""

import argparse
import resource
import signal
import sys
from collections.abc import Sequence

from loadtest import commands
from loadtest.bench import command as bench
from loadtest.monitor import command as monitor


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="python -m loadtest", description="Measure the servers of Tandem.")
    known = arguments.add_subparsers(required=True, metavar="COMMAND")
    commands.add_to(known)
    monitor.add_to(known)
    bench.add_to(known)
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _allow_files()
    return commands.obey(parser().parse_args(arguments))


def _allow_files() -> None:
    """As many descriptors as may be had, here and in the servers: a connection is one at either end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
