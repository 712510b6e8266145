"""What the workers of a backend say of themselves once a second, by the socket that was named to them."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil

from chat_core.stats import SILENT_AFTER, VERSION
from loadtest.record.models import SchedulerLag

LAG: Final = "chat_scheduler_lag_seconds"
SHOWN: Final = ("chat_connections_open", "chat_outbox_bytes", "chat_threads")
LARGEST: Final = 256 * 1024


class Counters:
    """A context manager: the listening end of ``path``. Nothing is lost by not listening, and nobody waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._latest: dict[int, dict[str, Any]] = {}
        self._heard: dict[int, float] = {}
        self._before: dict[int, list[int]] = {}

    def listen(self, now: float) -> None:
        """Take what has come since the last call, and forget who is gone or silent. ``now`` is in monotonic seconds."""
        with suppress(BlockingIOError):
            while True:
                said = json.loads(self._socket.recv(LARGEST))
                if said.get("version") == VERSION:
                    self._latest[said["pid"]], self._heard[said["pid"]] = said, now
        for pid in [one for one in self._latest if self._heard[one] < now - SILENT_AFTER or not psutil.pid_exists(one)]:
            del self._latest[pid]

    def connections(self, pid: int) -> int | None:
        """Return how many connections the worker ``pid`` has; None if it says nothing."""
        said = self._latest.get(pid)
        return None if said is None else int(said["values"].get("chat_connections_open", 0))

    def values(self) -> dict[str, float]:
        """Return what is shown of the workers' values, added up; nothing where no worker says anything."""
        if not self._latest:
            return {}
        return {name: sum(said["values"].get(name, 0.0) for said in self._latest.values()) for name in SHOWN}

    def scheduler_lag(self) -> SchedulerLag | None:
        """Return how late sleeps ended since the last call, in the worker where that was worst."""
        found = [lag for pid, said in self._latest.items() if (lag := self._lag(pid, said["histograms"].get(LAG)))]
        return max(found, key=lambda lag: lag.p99 or 0.0, default=None)

    def _lag(self, pid: int, histogram: Mapping[str, Any] | None) -> SchedulerLag | None:
        if histogram is None:
            return None
        before, counts = self._before.get(pid), histogram["counts"]
        self._before[pid] = counts
        if before is None or not any(new := [now - then for now, then in zip(counts, before, strict=True)]):
            return None
        bounds = [*histogram["bounds"], 2 * histogram["bounds"][-1]]
        return SchedulerLag(p50=_at(new, bounds, 0.5), p99=_at(new, bounds, 0.99), max=_at(new, bounds, 1.0))

    def __enter__(self) -> "Counters":
        self._socket.setblocking(False)
        self._socket.bind(str(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)


def _at(counts: list[int], bounds: list[float], part: float) -> float:
    """Return the upper bound of the bucket in which that part of what was counted is reached."""
    reached, wanted = 0, part * sum(counts)
    for count, bound in zip(counts, bounds, strict=True):
        reached += count
        if reached >= wanted:
            return bound
    return bounds[-1]
