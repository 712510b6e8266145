"""Nothing is left behind, also when the stack is killed with -9.

The guard is a small process that holds the reading end of a pipe whose only writing end is ours. It is told every
process group we start; when the pipe ends, because we closed it or because we are gone, it ends them all.

It runs as a script, apart from the packages of the project: only the standard library may be imported here.
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

GRACE = 4.0
"""Seconds between SIGTERM and SIGKILL."""


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; False if there is none any more."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group in which only zombies are left
        return False
    return True


class Guard:
    """Our end of the pipe. Started by the first thing to watch; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        os.register_at_fork(after_in_child=self._after_fork)
        atexit.register(self.close)

    def watch(self, group: int) -> None:
        """End this process group when we are gone. OSError if the guard itself is gone."""
        self._tell(f"watch {group}")

    def forget(self, group: int) -> None:
        """The group has ended; its number may be used again by others."""
        with contextlib.suppress(OSError):
            self._tell(f"forget {group}")

    def remove(self, path: Path) -> None:
        """Remove this directory when we are gone."""
        self._tell(f"remove {path}")

    def close(self) -> None:
        """End whatever is still watched, and the guard."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.wait()

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._process is None:
                self._process = _start()
            if self._process.stdin is None:
                raise BrokenPipeError("the guard has no pipe")
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def _after_fork(self) -> None:
        """A forked child holds a copy of the writing end: as long as it lived, our own death would not be seen."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.returncode = 0  # not a child of this process: nothing to wait for


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        start_new_session=True,  # a Ctrl-C in the terminal is for the stack, not for its guard
    )


GUARD = Guard()
"""The one guard of this process."""


def _end(groups: Iterable[int]) -> None:
    alive = {group for group in groups if signal_group(group, signal.SIGTERM)}
    for group in alive:
        signal_group(group, signal.SIGCONT)  # a frozen process sees SIGTERM only when it runs again
    deadline = time.monotonic() + GRACE
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = {group for group in alive if signal_group(group, 0)}
    for group in alive:
        signal_group(group, signal.SIGKILL)


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    paths: set[str] = set()
    for line in sys.stdin:
        verb, _, value = line.rstrip("\n").partition(" ")
        if verb == "watch":
            groups.add(int(value))
        elif verb == "forget":
            groups.discard(int(value))
        elif verb == "remove":
            paths.add(value)
    _end(groups)
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    _main()
