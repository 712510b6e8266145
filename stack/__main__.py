"""`python -m stack up`: everything on this machine, until Ctrl-C."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from stack.errors import StackError
from stack.options import parser, stack_from
from stack.up import Stack

WATCH_INTERVAL = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return _up(stack_from(options, os.environ))
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
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # ignored: run under nohup
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
    if stack.monitor is not None:
        lines.insert(0, f"  {'Both, watched':<14} {stack.monitor.url:<{width}}   open this one first")
    logs = _relative(next(iter(stack.backends.values())).log_path.parent)
    return "\n".join(["", *lines, "", f"Logs are in {logs}. Ctrl-C stops everything.", ""])


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
