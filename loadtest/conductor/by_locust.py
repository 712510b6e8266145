"""The generator's processes on several machines, found and spoken to through Locust's master."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from loadtest.conductor.fleet import AnyFleet, FleetError
from stack.ports import free_port
from stack.server import ROOT

LOCUST: Final = ROOT / ".venv-locust" / "bin" / "locust"
BRIDGE: Final = ROOT / "loadtest" / "locust" / "bridge.py"
WORKERS_WITHIN: Final = 60
"""Seconds for all workers to report to the master."""


class LocustFleet(AnyFleet):
    """A context manager like `Fleet`, whose processes are started by Locust's workers, ``len(jobs)`` of them.

    They run on this machine, unless the master listens at ``listen``, HOST:PORT: then they are awaited there.
    """

    def __init__(self, jobs: Sequence[dict[str, Any]], log_dir: Path, listen: str | None = None) -> None:
        super().__init__(len(jobs))
        host, _, chosen = (listen or f"127.0.0.1:{free_port()}").rpartition(":")
        log_dir.mkdir(exist_ok=True)
        common = [str(LOCUST), "-f", str(BRIDGE), "--headless", "--loglevel", "WARNING"]
        master = ["--master", "--master-bind-host", host, "--master-bind-port", chosen]
        master += ["--expect-workers", str(len(jobs)), "--expect-workers-max-wait", str(WORKERS_WITHIN)]
        self._log = (log_dir / "locust.log").open("ab")
        self._master = self._start([*common, *master, "-u", str(len(jobs)), "-r", str(len(jobs)), "--only-summary"])
        worker = [*common[:3], "--worker", "--master-host", host, "--master-port", chosen, "--loglevel", "WARNING"]
        self._workers = [] if listen else [self._start(worker) for _ in jobs]
        self._told_jobs = False
        self._jobs = list(jobs)
        threading.Thread(target=self._read, daemon=True).start()

    def tell(self, order: dict[str, Any]) -> None:
        if not self._told_jobs:
            self._told_jobs = True
            self._write({"jobs": self._jobs})
        self._write(order | {"wall": time.time() - time.monotonic() + order["at"]} if "at" in order else order)

    def pids(self) -> list[int]:
        return [self._master.pid, *(worker.pid for worker in self._workers)]

    def _write(self, order: dict[str, Any]) -> None:
        if self._master.stdin is not None:
            with contextlib.suppress(OSError):
                self._master.stdin.write(json.dumps(order).encode() + b"\n")
                self._master.stdin.flush()

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if "--master" in command else self._log,
                stderr=self._log,
                env={"TANDEM_PYTHON": sys.executable, "PATH": "/usr/bin:/bin"},
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise FleetError(f"there is no {LOCUST.relative_to(ROOT)}: `make locust` installs it") from error

    def _read(self) -> None:
        if self._master.stdout is not None:
            for line in self._master.stdout:
                with contextlib.suppress(ValueError):  # what Locust itself has to say is no JSON
                    number, said = json.loads(line)
                    self.lines.put((number, said))
        self.lines.put((0, None))

    def __exit__(self, *_: object) -> None:
        for process in (self._master, *self._workers):
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        for process in (self._master, *self._workers):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()
