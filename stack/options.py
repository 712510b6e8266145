"""What a person can say to `python -m stack`."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from chat_core.settings import MONITOR_PORT
from stack.errors import StackError
from stack.profiles import PROFILES
from stack.server import DATA
from stack.up import Stack, settings_from


def stack_from(options: argparse.Namespace, environ: Mapping[str, str]) -> Stack:
    """What the options and the CHAT_* variables ask for, not started yet. StackError if they make no sense."""
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
        monitor_port=_monitor_port(options, environ),
        cpus={name: _cpus(text) for name, text in _by_profile(profiles, options.cpus, "--cpus").items()},
    )


def _workers(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if options.workers is not None:
        return _number("--workers", options.workers, 1)
    return _number("CHAT_WORKERS", environ.get("CHAT_WORKERS", "1"), 1)


def _monitor_port(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if options.monitor is not None:
        return _number("--monitor", options.monitor, 0)
    return _number("CHAT_MONITOR_PORT", environ.get("CHAT_MONITOR_PORT") or str(MONITOR_PORT), 1)


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


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m stack", description="Start the servers of Tandem on this machine."
    )
    commands = arguments.add_subparsers(required=True, metavar="up")
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
        "--monitor", metavar="PORT", help="where the monitor listens (CHAT_MONITOR_PORT, else 8000); 0 for none"
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
    return arguments


EPILOG = """\
profiles:
{profiles}

Redis is the one of CHAT_REDIS_URL; else redis-server or valkey-server from PATH, else the one `make` installed, with
its data in DIR/redis, synced to disk before every answer. All other CHAT_* variables are handed to every backend.

If a server ends by itself, that is said and all others are stopped too. Nothing is left running, not even if this
program is killed with -9.
"""
