"""Processes seen from outside, cheaply: what is dear to find out is found out less often."""

import contextlib
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

DEAR_EVERY: Final = 5.0
"""Seconds between two counts of descriptors and context switches: each descriptor, and each thread, is looked at."""
TASKS: Final = Path("/proc/self/task").is_dir()


@dataclass(slots=True)
class Seen:
    """One process: CPU seconds since its start, bytes, numbers. ``at`` is monotonic seconds."""

    at: float
    cpu: float
    rss: int
    threads: int
    frozen: bool


@dataclass(slots=True)
class Dear:
    """What is counted less often. ``switches`` are those per second since the count before."""

    at: float
    fds: int
    counted: int
    switches: float


class Outside:
    """Looks at processes once a second; differences are those to the look before."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        self._before: dict[int, Seen] = {}
        self._dear: dict[int, Dear] = {}

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
        cpu = 0.0
        dear = [self._look_closely(pid) for pid in alive]
        for pid in alive:
            if (before := self._before.get(pid)) is not None and seen[pid].at > before.at:
                passed = seen[pid].at - before.at
                cpu += (seen[pid].cpu - before.cpu) / passed
        return {
            "cpu": round(cpu, 4),
            "rss": sum(seen[pid].rss for pid in alive),
            "threads": sum(seen[pid].threads for pid in alive),
            "fds": sum(one.fds for one in dear),
            "switches": round(sum(one.switches for one in dear), 1),
        }

    def remember(self, seen: Mapping[int, Seen]) -> None:
        """Take ``seen`` as the look that the next one is compared with."""
        self._before = dict(seen)
        for pid in set(self._processes) - set(seen):
            del self._processes[pid]
            self._dear.pop(pid, None)

    def _see(self, pid: int) -> Seen:
        process = self._processes.get(pid)
        if process is None or not process.is_running():
            process = self._processes[pid] = psutil.Process(pid)
        with process.oneshot():
            times, status = process.cpu_times(), process.status()
            if status == psutil.STATUS_ZOMBIE:
                raise psutil.NoSuchProcess(pid)
            return Seen(
                at=time.monotonic(),
                cpu=times.user + times.system,
                rss=process.memory_info().rss,
                threads=process.num_threads(),
                frozen=status == psutil.STATUS_STOPPED,
            )

    def _look_closely(self, pid: int) -> Dear:
        now, before = time.monotonic(), self._dear.get(pid)
        if before is not None and now - before.at < DEAR_EVERY:
            return before
        fds, counted, rate = 0, 0, 0.0
        with contextlib.suppress(psutil.Error, OSError, KeyError):
            process = self._processes[pid]
            fds, counted = process.num_fds(), _switches(process)
        if before is not None:
            rate = max(0, counted - before.counted) / (now - before.at)
        found = self._dear[pid] = Dear(now, fds, counted, rate)
        return found


def _switches(process: psutil.Process) -> int:
    """Context switches of all threads: what a process says of itself on Linux is of its first thread alone."""
    if not TASKS:
        own = process.num_ctx_switches()
        return own.voluntary + own.involuntary
    counted = 0
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            lines = (task / "status").read_text().splitlines()
            counted += sum(int(line.rpartition("\t")[2]) for line in lines if "ctxt_switches" in line)
    return counted
