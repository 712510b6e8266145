"""One child process: started, watched, stopped, and hurt on purpose."""

import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import Self

import psutil

from stack.errors import StackError
from stack.guard import GUARD, signal_group
from stack.log import Log

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: servers are run from it."""
DATA = ROOT / ".data"
"""What is kept between runs: Redis's data, logs."""

# All that a child sees of our environment.
KEPT_VARIABLES = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")

# The child waits for one line before it becomes the server. If we die before the guard knows it, the line never comes.
WAIT_FOR_GO = 'read -r go && exec "$@" </dev/null'


class Server(ABC):
    """A program in a session of its own, ready when its probe says so.

    A context manager: `start()` on entry, `stop()` on exit. Every method may be called in any state; what makes no
    sense (start while running, freeze while stopped) raises StackError.
    """

    ready_within = 30.0
    """Seconds from launch until the probe must have succeeded."""

    def __init__(self, name: str, log_path: Path, cpus: Collection[int] | None = None) -> None:
        self.name = name
        self.log_path = log_path
        self._log = Log(log_path)
        self.cpus = frozenset(cpus) if cpus is not None else None
        self._process: subprocess.Popen[bytes] | None = None
        self._group: int | None = None  # its process group, until nothing of it is left

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def probe(self) -> str | None:
        """None if the server is ready, else what is missing. Must answer within about a second."""

    def environment(self) -> dict[str, str]:
        return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}

    # Life

    def start(self) -> None:
        """Launch and wait until ready. StackError if it exits first or takes longer than `ready_within`."""
        try:
            self.launch()
            self.wait_ready()
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self._launch()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + self.ready_within
        while True:
            missing = self.probe()
            if not self.running:  # asked after the probe: on a taken port it is somebody else who answers
                raise self.exit_error("before it was ready")
            if missing is None:
                return
            if time.monotonic() > deadline:
                took = f"{self.name} was not ready within {self.ready_within:.0f} s"
                raise StackError(f"{took}: {missing} (log: {self.log_path})")
            time.sleep(0.02)

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM), also a frozen one, without waiting for it."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGTERM)
            signal_group(self._process.pid, signal.SIGCONT)

    def wait(self, grace: float) -> int | None:
        """Wait up to `grace` seconds, then SIGKILL; the exit code as in `subprocess` (None if it never ran)."""
        if self._process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self.kill()
        return self._process.returncode

    def stop(self, grace: float = 15.0) -> int | None:
        self.terminate()
        return self.wait(grace)

    def kill(self) -> None:
        """SIGKILL to the process and all its children, and wait until it is gone."""
        if self._process is None or self._group is None:
            return
        self.send_signal(signal.SIGKILL)
        self._process.wait()
        GUARD.forget(self._group)
        self._group = None

    def send_signal(self, number: int) -> None:
        """Send to the process and all its children, without waiting: this much may be done in a signal handler."""
        if self._group is not None:
            signal_group(self._group, number)

    def restart(self, grace: float = 15.0) -> None:
        self.stop(grace)
        self.start()

    def freeze(self) -> None:
        """SIGSTOP to the process and all its children: alive to TCP, dead to everybody."""
        signal_group(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        signal_group(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What is seen from outside

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def fallen(self) -> bool:
        """Whether it ended though nobody here ended it."""
        return self._group is not None and not self.running

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        if self._process is None or not self.running:
            raise StackError(f"{self.name} is not running")
        return self._process.pid

    def pids(self) -> list[int]:
        """The process and its descendants, itself first."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self.pid, *(child.pid for child in psutil.Process(self.pid).children(recursive=True))]
        return []

    def log_tail(self, lines: int = 20) -> list[str]:
        """The last lines that are not empty, of what it wrote since its last start."""
        return self._log.tail(lines)

    def exit_error(self, when: str) -> StackError:
        """One line on how it ended, with the longer end of its log as a note."""
        tail = self.log_tail()
        last_words = " | ".join(line.strip() for line in tail[-2:]) or "it wrote nothing"
        how = f"{self.name} ended {when} (exit code {self.returncode})"
        error = StackError(f"{how}: {last_words} (log: {self.log_path})")
        error.add_note("\n".join(tail))
        return error

    # Starting

    def _launch(self, inherited: Collection[int] = ()) -> None:
        """Start the process; it also gets the file descriptors in `inherited`."""
        if self.running:
            raise StackError(f"{self.name} is already running")
        self.kill()  # children that outlived it would hold its port
        with self._log.open() as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", WAIT_FOR_GO, self.name, *self.command()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=self.environment(),
                pass_fds=tuple(inherited),
                start_new_session=True,
            )
        try:
            self._pin(process.pid)
            _watch(process.pid)
            if process.stdin is not None:
                process.stdin.write(b"go\n")
                process.stdin.close()
        except BaseException:
            process.kill()
            process.communicate()
            raise
        self._process, self._group = process, process.pid

    def _pin(self, pid: int) -> None:
        if self.cpus is None:
            return
        if not hasattr(os, "sched_setaffinity"):
            raise StackError("CPU sets need Linux")
        try:
            os.sched_setaffinity(pid, self.cpus)
        except OSError as error:
            wanted = ", ".join(map(str, sorted(self.cpus)))
            raise StackError(f"{self.name} cannot run on CPUs {wanted}: this machine has {os.cpu_count()}") from error


def _watch(group: int) -> None:
    try:
        GUARD.watch(group)
    except OSError as error:
        raise StackError("the guard process has ended, so that nothing more can be started safely") from error
