"""How many connections this machine lets one server and one generator have."""

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SPARE: Final = 128
"""Descriptors, threads and ports that are needed for other things."""
MAPPINGS_PER_THREAD: Final = 2
"""A thread's stack and the guard page below it."""


def most_members(wanted: int, threaded: bool) -> tuple[int, str]:
    """Return how many of ``wanted`` connections are possible, and what allows no more; "" where all are.

    Both ends are processes of this machine, each with limits of its own, which are the same. ``threaded``: the server
    has a thread for every connection.
    """
    most, what = min(_limits(threaded), default=(wanted + SPARE, ""))
    return (wanted, "") if most - SPARE >= wanted else (max(0, most - SPARE), what)


def _limits(threaded: bool) -> Iterator[tuple[int, str]]:
    yield from _soft(resource.RLIMIT_NOFILE, "RLIMIT_NOFILE")
    if ports := _numbers("/proc/sys/net/ipv4/ip_local_port_range"):
        yield ports[-1] - ports[0] + 1, "net.ipv4.ip_local_port_range"
    if not threaded:
        return
    yield from _soft(resource.RLIMIT_NPROC, "RLIMIT_NPROC")
    for name in ("kernel/threads-max", "kernel/pid_max"):
        for number in _numbers(f"/proc/sys/{name}"):
            yield number, name.replace("/", ".")
    for number in _numbers("/proc/sys/vm/max_map_count"):
        yield number // MAPPINGS_PER_THREAD, "vm.max_map_count"
    for path in ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"):
        for number in _numbers(path):
            yield number, "the cgroup's pids.max"


def _soft(which: int, name: str) -> Iterator[tuple[int, str]]:
    soft, _ = resource.getrlimit(which)
    if soft != resource.RLIM_INFINITY:
        yield soft, f"{name} {soft:,}"


def _numbers(path: str) -> list[int]:
    """Return the numbers in a file of the kernel's; none where there is no such file or no limit."""
    with contextlib.suppress(OSError, ValueError):
        return [int(word) for word in Path(path).read_text().split()]
    return []
