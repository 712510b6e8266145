"""The generator's processes, seen from who conducts them: started, told, listened to, ended."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from stack.server import ROOT


class FleetError(Exception):
    """A process of the generator could not go on. The text is one line."""


class AnyFleet(ABC):
    """A context manager: processes of the generator, wherever they are. ``lines`` is what they say, with their numbers;
    None where one has ended by itself."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.lines: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self._finished: set[int] = set()

    @abstractmethod
    def tell(self, order: dict[str, Any]) -> None:
        """Give all of them an order."""

    @abstractmethod
    def pids(self) -> list[int]:
        """Return the processes on this machine."""

    def heard(self, timeout: float) -> tuple[int, dict[str, Any]] | None:
        """Return the next line of any of them with its number; None if there is none in time. Raises FleetError."""
        try:
            number, line = self.lines.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None
        if line is None and number in self._finished:  # it has said all, while others still count
            return None
        if line is None:
            raise FleetError(f"process {number} of the generator ended by itself")
        if line["kind"] == "error":
            raise FleetError(line["error"])
        if line["kind"] == "final":
            self._finished.add(number)
        return number, line

    def collect(self, kind: str, timeout: float) -> list[dict[str, Any]]:
        """Return the line of that kind of each, passing over others. Raises FleetError."""
        found: dict[int, dict[str, Any]] = {}
        while len(found) < self.count:
            heard = self.heard(timeout)
            if heard is None:
                raise FleetError(f"a process of the generator did not get {kind} in {timeout:.0f} s")
            if heard[1]["kind"] == kind:
                found[heard[0]] = heard[1]
        return [found[number] for number in range(self.count)]

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...


class Fleet(AnyFleet):
    """The processes for ``jobs`` on this machine, one each. They end with their input, also when we are killed."""

    def __init__(self, jobs: Sequence[dict[str, Any]]) -> None:
        super().__init__(len(jobs))
        self._processes = [self._start(job) for job in jobs]
        for number, process in enumerate(self._processes):
            threading.Thread(target=self._read, args=(number, process), daemon=True).start()

    def tell(self, order: dict[str, Any]) -> None:
        for process in self._processes:
            if process.stdin is not None:
                with contextlib.suppress(OSError):  # that it has ended is what its output tells
                    process.stdin.write(json.dumps(order).encode() + b"\n")
                    process.stdin.flush()

    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def _start(self, job: dict[str, Any]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.crew.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,  # a Ctrl-C in the terminal is for who conducts
        )
        if process.stdin is not None:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        return process

    def _read(self, number: int, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                self.lines.put((number, json.loads(line)))
        self.lines.put((number, None))

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
