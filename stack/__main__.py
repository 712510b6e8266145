"""`python -m stack up`: everything on this machine, until Ctrl-C."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from stack.errors import StackError
from stack.profiles import PROFILES
from stack.server import DATA
from stack.up import Stack, settings_from

WATCH_INTERVAL = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return _up(_stack(options, os.environ))
    except StackError as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 1


def _up(stack: Stack) -> int:
    """Run until a signal (0) or until a server ends by itself (StackError)."""
    signals = _Signals(stack)
    try:
        stack.start(report=_say)
        _say(_addresses(stack))
        while (fallen := stack.fallen()) is None:
            time.sleep(WATCH_INTERVAL)
        raise fallen.exit_error("unexpectedly")
    except KeyboardInterrupt:
        _say("Stopping. Ctrl-C again kills.")
        return 0
    finally:
        signals.stopping = True
        stack.stop()


class _Signals:
    """The first Ctrl-C (or SIGTERM, or closed terminal) stops in order, the next one kills."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.stopping = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.stopping:
            for server in self.stack.servers:
                server.send_signal(signal.SIGKILL)
        else:
            self.stopping = True
            raise KeyboardInterrupt


def _addresses(stack: Stack) -> str:
    rows = [(backend.profile.title, backend.url, backend.name) for backend in stack.backends.values()]
    width = max(len(url) for _, url, _ in rows)
    lines = [f"  {title:<14} {url:<{width}}   profile {name}" for title, url, name in rows]
    logs = _relative(next(iter(stack.backends.values())).log_path.parent)
    return "\n".join(["", *lines, "", f"Logs are in {logs}. Ctrl-C stops everything.", ""])


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _say(line: str) -> None:
    print(line, flush=True)


def _stack(options: argparse.Namespace, environ: Mapping[str, str]) -> Stack:
    profiles = options.profile or ["async", "sync"]
    settings = settings_from(environ)
    if options.threads is not None:
        settings["CHAT_THREADS"] = str(_number("--threads", options.threads, 1))
    return Stack(
        profiles,
        data_dir=options.data.resolve(),
        redis_url=environ.get("CHAT_REDIS_URL"),
        ports=_ports(profiles, options.port, environ),
        workers=_workers(options, environ),
        settings=settings,
        cpus={name: _cpus(text) for name, text in _by_profile(profiles, options.cpus, "--cpus").items()},
    )


def _workers(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if options.workers is not None:
        return _number("--workers", options.workers, 1)
    return _number("CHAT_WORKERS", environ.get("CHAT_WORKERS", "1"), 1)


def _ports(profiles: Sequence[str], given: Sequence[str], environ: Mapping[str, str]) -> dict[str, int]:
    if not given and environ.get("CHAT_PORT"):
        given = [environ["CHAT_PORT"]]
    if len(profiles) > 1 and any("=" not in text for text in given):
        raise StackError("CHAT_PORT and --port PORT are for one backend; with several say --port PROFILE=PORT")
    chosen = {name: _number("--port", text, 1) for name, text in _by_profile(profiles, given, "--port").items()}
    ports = {name: chosen.get(name, PROFILES[name].port) for name in profiles}
    for port in ports.values():
        if len(sharing := [name for name in profiles if ports[name] == port]) > 1:
            raise StackError(
                f"{' and '.join(sharing)} would share port {port}: give one another with --port PROFILE=PORT"
            )
    return ports


def _by_profile(profiles: Sequence[str], given: Sequence[str], option: str) -> dict[str, str]:
    """`PROFILE=VALUE` for one, `VALUE` for all."""
    values: dict[str, str] = {}
    for text in given:
        name, _, value = text.rpartition("=")
        if name and name not in profiles:
            raise StackError(f"{option} {text}: {name} is not one of the profiles to start ({', '.join(profiles)})")
        values |= dict.fromkeys([name] if name else profiles, value)
    return values


def _cpus(text: str) -> set[int]:
    """`0,2-3` is {0, 2, 3}."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        low = _number("--cpus", first, 0)
        cpus.update(range(low, _number("--cpus", last or first, low) + 1))
    return cpus


def _number(what: str, text: str, least: int, most: int = 65_535) -> int:
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise StackError(f"{what}: {text!r} is not a number from {least} to {most}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stack", description="Start the servers of Tandem on this machine.")
    commands = parser.add_subparsers(required=True, metavar="up")
    profiles = "\n".join(f"  {profile.name:<15} {profile.summary}" for profile in PROFILES.values())
    up = commands.add_parser(
        "up",
        help="start Redis and the backends, and stop them on Ctrl-C",
        description="Start Redis and the backends, and stop them on Ctrl-C.",
        epilog=EPILOG.format(profiles=profiles),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    up.add_argument(
        "--profile",
        action="append",
        choices=list(PROFILES),
        metavar="PROFILE",
        help="a backend, and how it is run; may be repeated (async and sync)",
    )
    up.add_argument("--workers", metavar="N", help="processes of each backend (CHAT_WORKERS, else 1)")
    up.add_argument("--threads", metavar="N", help="threads of each process of a sync backend (CHAT_THREADS)")
    up.add_argument(
        "--port",
        action="append",
        default=[],
        metavar="[PROFILE=]PORT",
        help="where a backend listens (8001 for async, 8002 for sync)",
    )
    up.add_argument(
        "--cpus",
        action="append",
        default=[],
        metavar="[PROFILE=]LIST",
        help="the CPUs a backend may use, as 0 or 0,2-3 (all; Linux only)",
    )
    up.add_argument(
        "--data", type=Path, default=DATA, metavar="DIR", help="where Redis's data and the logs are kept (.data)"
    )
    return parser


EPILOG = """\
profiles:
{profiles}

Redis is the one of CHAT_REDIS_URL; else redis-server or valkey-server from PATH, else the one `make` installed, with
its data in DIR/redis, synced to disk before every answer. All other CHAT_* variables are handed to every backend.

If a server ends by itself, that is said and all others are stopped too. Nothing is left running, not even if this
program is killed with -9.
"""


if __name__ == "__main__":
    sys.exit(main())
