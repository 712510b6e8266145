"""Processes seen from outside, cheaply: what is dear to find out is found out less often."""

import contextlib
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import psutil

FDS_EVERY: Final = 5.0
"""Seconds between two counts of descriptors: counting takes a look at each."""


@dataclass(slots=True)
class Seen:
    """One process: CPU seconds and context switches since its start, bytes, numbers. ``at`` is monotonic seconds."""

    at: float
    cpu: float
    rss: int
    threads: int
    switches: int
    frozen: bool


class Outside:
    """Looks at processes once a second; differences are those to the look before."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        self._before: dict[int, Seen] = {}
        self._fds: dict[int, tuple[float, int]] = {}

    def look(self, pids: Collection[int]) -> dict[int, Seen]:
        """Return what there is to see of ``pids``; those that are gone are left out."""
        found: dict[int, Seen] = {}
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                found[pid] = self._see(pid)
        return found

    def measure(self, seen: Mapping[int, Seen], pids: Collection[int]) -> dict[str, float]:
        """Return CPU (parts of one), memory, threads, descriptors and context switches per second of ``pids``."""
        alive = [pid for pid in pids if pid in seen]
        if not alive:
            return {}
        cpu = switches = 0.0
        for pid in alive:
            if (before := self._before.get(pid)) is not None and seen[pid].at > before.at:
                passed = seen[pid].at - before.at
                cpu += (seen[pid].cpu - before.cpu) / passed
                switches += (seen[pid].switches - before.switches) / passed
        return {
            "cpu": round(cpu, 4),
            "rss": sum(seen[pid].rss for pid in alive),
            "threads": sum(seen[pid].threads for pid in alive),
            "fds": sum(self._count_fds(pid) for pid in alive),
            "switches": round(switches, 1),
        }

    def remember(self, seen: Mapping[int, Seen]) -> None:
        """Take ``seen`` as the look that the next one is compared with."""
        self._before = dict(seen)
        for pid in set(self._processes) - set(seen):
            del self._processes[pid]
            self._fds.pop(pid, None)

    def _see(self, pid: int) -> Seen:
        process = self._processes.get(pid)
        if process is None or not process.is_running():
            process = self._processes[pid] = psutil.Process(pid)
        with process.oneshot():
            times, switches, status = process.cpu_times(), process.num_ctx_switches(), process.status()
            if status == psutil.STATUS_ZOMBIE:
                raise psutil.NoSuchProcess(pid)
            return Seen(
                at=time.monotonic(),
                cpu=times.user + times.system,
                rss=process.memory_info().rss,
                threads=process.num_threads(),
                switches=switches.voluntary + switches.involuntary,
                frozen=status == psutil.STATUS_STOPPED,
            )

    def _count_fds(self, pid: int) -> int:
        at, count = self._fds.get(pid, (-FDS_EVERY, 0))
        if (now := time.monotonic()) - at >= FDS_EVERY:
            with contextlib.suppress(psutil.Error, KeyError):
                count = self._processes[pid].num_fds()
            self._fds[pid] = (now, count)
        return count
