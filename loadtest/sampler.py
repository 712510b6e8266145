"""Servers seen from outside: the same view of every one of them, whatever it is made of."""

import contextlib
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Self

import psutil

SETTLED: Final = 0.002
"""Memory counts as settled when it changes by no more than this part from one look to the next."""

LOOK_EVERY: Final = 0.1
"""Seconds between two looks at memory that may be at its peak."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A process and its descendants: CPU seconds since their start, bytes of resident memory, threads."""

    cpu: float = 0.0
    rss: int = 0
    threads: int = 0

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(self.cpu - earlier.cpu, self.rss - earlier.rss, self.threads - earlier.threads)


def usage(pids: Collection[int]) -> Usage:
    """Return the sum over ``pids``; one that has just ended counts as nothing."""
    cpu, rss, threads = 0.0, 0, 0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                cpu += times.user + times.system
                rss += process.memory_info().rss
                threads += process.num_threads()
    return Usage(cpu, rss, threads)


class Peak:
    """A context manager: ``growth`` is by how many bytes the resident memory of ``pids`` grew at most inside."""

    def __init__(self, pids: Callable[[], Collection[int]]) -> None:
        self._pids = pids()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look, name="peak")
        self.growth = 0

    def __enter__(self) -> Self:
        self._before = usage(self._pids).rss
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()
        self._note()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            self._note()

    def _note(self) -> None:
        self.growth = max(self.growth, usage(self._pids).rss - self._before)


def busy_seconds(cpus: Collection[int] | None) -> float:
    """Return the seconds since boot in which ``cpus`` (None: all) were not idle, whoever used or withheld them."""
    busy = 0.0
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        if cpus is None or number in cpus:
            busy += sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
    return busy


def settled_usage(pids: Callable[[], Collection[int]], pause: Callable[[], None], timeout: float) -> Usage:
    """Return the usage once memory no longer changes, or after ``timeout`` seconds; ``pause`` passes some time."""
    deadline = time.monotonic() + timeout
    before = usage(pids())
    while True:
        pause()
        now = usage(pids())
        if abs(now.rss - before.rss) <= SETTLED * before.rss or time.monotonic() > deadline:
            return now
        before = now
