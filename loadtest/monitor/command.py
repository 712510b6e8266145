"""`python -m loadtest monitor`: what a person, or the stack, can say to it."""

import argparse
import logging
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import Final

import uvicorn

from chat_core.settings import LOOPBACK, MONITOR_PORT
from loadtest.monitor.pages import Pages
from loadtest.monitor.stack_link import StackLink
from loadtest.monitor.watch import Target, Watch
from stack.server import DATA

KNOWN: Final = {"async": ("FastAPI chat", "asgi"), "sync": ("Flask chat", "wsgi")}
CLOSE_WITHIN: Final = 1
"""Seconds that pages have to see their streams end."""


class Server(uvicorn.Server):
    """Ends the streams of its pages before it waits for them to end."""

    def __init__(self, config: uvicorn.Config, pages: Pages) -> None:
        super().__init__(config)
        self._pages = pages

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop."""
        self._pages.hang_up()
        await super().shutdown(sockets)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add what it can be told."""
    monitor = commands.add_parser(
        "monitor",
        help="watch both backends, and show them on one page",
        description="Watch both backends, and show them on one page. `make run` starts one for its own servers.",
        epilog="Without --control nothing can be hurt or put under load from the page: it only watches.",
    )
    monitor.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    monitor.add_argument("--port", type=int, default=MONITOR_PORT, help=f"where to listen ({MONITOR_PORT})")
    monitor.add_argument(
        "--stats", type=Path, metavar="SOCKET", help="unix socket that CHAT_STATS_SOCKET of the backends names"
    )
    monitor.add_argument("--control", type=Path, metavar="SOCKET", help="unix socket of the stack that is watched")
    monitor.add_argument("--runs", type=Path, default=DATA / "runs", metavar="DIR", help="stored runs (.data/runs)")
    monitor.add_argument("--redis", metavar="URL", help="the Redis of the backends")
    monitor.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="where `async` or `sync` is, as a browser reaches it; may be repeated",
    )
    monitor.set_defaults(do=main)


def main(options: argparse.Namespace) -> int:
    """Watch until told to stop; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        targets = dict(_target(text) for text in options.backend)
    except ValueError as error:
        print(f"loadtest monitor: {error}", file=sys.stderr)
        return 2
    link = StackLink(str(options.control)) if options.control else None
    with tempfile.TemporaryDirectory(prefix="tandem-monitor-") as directory:
        watch = Watch(str(options.stats or Path(directory, "stats")), link, targets, options.redis)
        pages = Pages(watch, options.runs, loopback=options.host in LOOPBACK)
        config = uvicorn.Config(
            pages.application(),
            host=options.host,
            port=options.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=CLOSE_WITHIN,
        )
        with suppress(KeyboardInterrupt):  # uvicorn has stopped in order, and raises the signal once more
            Server(config, pages).run()
    return 0


def _target(text: str) -> tuple[str, Target]:
    name, _, url = text.partition("=")
    if name not in KNOWN or not url.startswith(("http://", "https://")):
        raise ValueError(f"--backend {text}: async=URL or sync=URL is wanted")
    title, model = KNOWN[name]
    return name, Target(name, title, model, url.rstrip("/"))
