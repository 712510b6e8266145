"""A contender seen from outside, second by second: its processes, its Redis, its own counters."""

import contextlib
import http.client
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from loadtest.conductor.contender import Running
from loadtest.conductor.counters import Counters
from loadtest.record.models import Process, RedisSample
from loadtest.sampler import busy_seconds
from stack.errors import StackError

PAGE: Final = 4096
SELDOM: Final = 5
"""Looks between two at what takes milliseconds to find out: which processes there are, and what memory they share."""
REDIS_PATIENCE: Final = 0.2
COUNTED: Final = ("_total", "_sum", "_count", "_bucket")


class Switches(NamedTuple):
    """Context switches counted so far, and per second since the look before."""

    at: float
    voluntary: int
    involuntary: int
    voluntary_rate: float = 0.0
    involuntary_rate: float = 0.0


class Watch:
    """What changed since the last look. ``cpus`` are those in use by the contender and the generator."""

    def __init__(self, running: Running, counters: Counters, cpus: frozenset[int] | None) -> None:
        self._running = running
        self._counters = counters
        self._cpus = cpus
        self._seen: dict[int, tuple[float, float]] = {}
        self._switches: dict[int, Switches] = {}
        self._redis = _client(running.redis.url) if running.redis else None
        self._ops: tuple[float, int] | None = None
        self._looks = 0
        self._pids: list[int] = []
        self._pss: dict[int, int | None] = {}
        self._spent: dict[int, float] = {}
        """CPU seconds of the server's processes; those of who is gone stay"""

    def processes(self) -> list[Process]:
        """Return the server's processes and its Redis; none of those that are down."""
        found: list[Process] = []
        if not self._looks % SELDOM or not all(map(psutil.pid_exists, self._pids)):
            self._pids = self._server_pids()
        for place, pid in enumerate(self._pids):
            found += self._look(pid, "worker" if place else "server")
        with contextlib.suppress(StackError):
            found += self._look(self._running.redis.pid, "redis") if self._running.redis else []
        self._looks += 1
        return found

    def redis(self) -> RedisSample | None:
        """Return what Redis says; None if it says nothing in time."""
        if self._redis is None:
            return None
        try:
            info: dict[str, Any] = self._redis.info("everything")
        except (RedisError, OSError):
            return None
        now, commands = time.monotonic(), int(info["total_commands_processed"])
        before, self._ops = self._ops, (now, commands)
        return RedisSample(
            ops=(commands - before[1]) / (now - before[0]) if before else 0.0,
            clients=int(info["connected_clients"]),
            output_buffer=int(info.get("client_recent_max_output_buffer", 0)),
            memory=int(info["used_memory"]),
        )

    def cpu(self) -> dict[str, float]:
        """Return CPU seconds so far: of the server, of its Redis, of everything on the CPUs in use."""
        redis = [self._running.redis.pid] if self._running.redis and self._running.redis.running else []
        for pid in self._server_pids():
            self._spent[pid] = max(cpu_of([pid]), self._spent.get(pid, 0.0))
        return {"server": sum(self._spent.values()), "redis": cpu_of(redis), "all": busy_seconds(self._cpus)}

    def _server_pids(self) -> list[int]:
        with contextlib.suppress(StackError):
            return self._running.server.pids() if self._running.server else []
        return []

    def _look(self, pid: int, role: Any) -> list[Process]:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times, now = process.cpu_times(), time.monotonic()
                cpu = times.user + times.system
                memory, threads = process.memory_info().rss, process.num_threads()
                fds = process.num_fds()
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
            return []
        if not self._looks % SELDOM or pid not in self._pss:
            self._pss[pid] = _pss(pid)
            self._switches[pid] = _switches(pid, self._switches.get(pid))
        if role != "redis":
            self._spent[pid] = cpu
        before = self._seen.get(pid)
        self._seen[pid] = (now, cpu)
        passed = now - before[0] if before else 0.0
        return [
            Process(
                pid=pid,
                role=role,
                cpu=(cpu - before[1]) / passed if before and passed else 0.0,
                rss=memory,
                pss=self._pss[pid],
                threads=threads,
                fds=fds,
                voluntary=self._switches[pid].voluntary_rate,
                involuntary=self._switches[pid].involuntary_rate,
                connections=self._counters.connections(pid),
            )
        ]


def _switches(pid: int, before: Switches | None) -> Switches:
    """Count those of all threads: what a process says of itself is of its first thread alone."""
    now, voluntary, involuntary = time.monotonic(), 0, 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            for line in status.read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    voluntary += int(line.split()[1])
                elif line.startswith("nonvoluntary_ctxt_switches:"):
                    involuntary += int(line.split()[1])
    if before is None:
        return Switches(now, voluntary, involuntary)
    passed = now - before.at
    rates = max(0, voluntary - before.voluntary) / passed, max(0, involuntary - before.involuntary) / passed
    return Switches(now, voluntary, involuntary, *rates)


def cpu_of(pids: Iterable[int]) -> float:
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


def _pss(pid: int) -> int | None:
    """Memory with shared pages divided among those who share them."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def socket_memory() -> int | None:
    """Return the bytes of all TCP buffers of this machine."""
    try:
        for line in Path("/proc/net/sockstat").read_text().splitlines():
            if line.startswith("TCP:"):
                return int(line.split()[line.split().index("mem") + 1]) * PAGE
    except (OSError, ValueError):
        pass
    return None


def counters(running: Running) -> dict[str, float]:
    """Return what the server has counted since its start, labels added up but for buckets; empty if it cannot say."""
    if not running.speaks_http:
        return {}
    try:
        connection = http.client.HTTPConnection(*running.address, timeout=3)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
    except (OSError, http.client.HTTPException):
        return {}
    found: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if not name.startswith("chat_"):
            continue
        bare = name if "_bucket{" in name else name.partition("{")[0]
        if bare.partition("{")[0].endswith(COUNTED):
            found[bare] = found.get(bare, 0.0) + float(value)
    return found


def _client(url: str) -> Redis:
    return Redis.from_url(
        url, socket_timeout=REDIS_PATIENCE, socket_connect_timeout=REDIS_PATIENCE, retry=Retry(NoBackoff(), 0)
    )
