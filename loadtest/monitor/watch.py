"""Once a second, all that is known becomes one tick."""

import asyncio
import json
import math
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from chat_core.stats import SILENT_AFTER
from loadtest.histogram import Histogram, highest
from loadtest.monitor import counters
from loadtest.monitor.counters import Backend, Report, Worker
from loadtest.monitor.crowd_process import CrowdProcess
from loadtest.monitor.outside import Outside, Seen
from loadtest.monitor.stack_link import StackLink, StackLinkError

KEPT: Final = 3600
"""Ticks: one hour."""
DEGRADED_AFTER: Final = 5.0
"""Seconds since a probe came back through Redis, as in /readyz."""
REDIS_PATIENCE: Final = 0.5
HEAT_ROWS: Final = 40
HEAT_UNIT: Final = 100
"""Microseconds of the lowest row of the heatmap; there are two rows for each power of two."""


@dataclass
class Target:
    """One backend that is watched. ``model`` (asgi, wsgi) gives it its colour; ``pid`` is None while it is down."""

    label: str
    title: str
    model: str
    url: str
    pid: int | None = None
    expected: int = 1
    hurt: bool = False


class Watch:
    """Collects from ``open`` on. ``ticks`` are JSON texts, the oldest first."""

    def __init__(
        self, stats: str, link: StackLink | None, targets: Mapping[str, Target], redis_url: str | None
    ) -> None:
        self.targets = dict(targets)
        self.ticks: deque[str] = deque(maxlen=KEPT)
        self.changed: Callable[[], None] = lambda: None
        self.crowd = CrowdProcess(self._tell)
        self.link = link
        self._stats = stats
        self._redis_url = redis_url
        self._redis: Redis | None = None
        self._redis_pid: int | None = None
        self._redis_ops: tuple[float, float] | None = None
        self._backends: dict[str, Backend] = {}
        self._outside = Outside()
        self._socket: socket.socket | None = None
        self._began = time.monotonic()

    @property
    def sides(self) -> list[dict[str, str]]:
        """The backends that are known, as pages show them."""
        return [
            {"label": one.label, "title": one.title, "model": one.model, "url": one.url}
            for one in self.targets.values()
        ]

    def _tell(self) -> None:
        self.changed()

    # ---- datagrams ------------------------------------------------------------------------------

    def open(self) -> None:
        """Listen for what the workers send. OSError where that cannot be had."""
        with suppress(FileNotFoundError):
            os.unlink(self._stats)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.setblocking(False)
        listener.bind(self._stats)
        asyncio.get_running_loop().add_reader(listener, self._hear, listener)
        self._socket = listener

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            with suppress(OSError):
                os.unlink(self._stats)

    def _hear(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                report = counters.parse(listener.recv(64 * 1024))
                if report is not None and (label := self._label(report)):
                    self._backends.setdefault(label, Backend()).take(report, time.monotonic())

    def _label(self, report: Report) -> str | None:
        """Which backend a worker belongs to: by its process group where the stack told us, else by its name."""
        if self.link is not None:
            with suppress(OSError):
                group = os.getpgid(report.pid)
                return next((one.label for one in self.targets.values() if one.pid == group), None)
            return None
        return report.backend if report.backend in self.targets else None

    # ---- ticks ----------------------------------------------------------------------------------

    async def tick_forever(self, publish: Callable[[str], None]) -> None:
        """Make a tick whenever a second begins."""
        while True:
            await asyncio.sleep(1 - time.time() % 1)
            tick = json.dumps(await self._tick(), separators=(",", ":"), allow_nan=False)
            self.ticks.append(tick)
            publish(tick)

    async def _tick(self) -> dict[str, Any]:
        await self._learn()
        redis = await self._see_redis()
        now = time.monotonic()
        reporting = {label: self._backends.get(label, Backend()).reporting(now) for label in self.targets}
        pids = {label: self._pids(target, reporting[label]) for label, target in self.targets.items()}
        every = {pid for group in pids.values() for pid in group} | ({self._redis_pid} if self._redis_pid else set())
        seen = self._outside.look([pid for pid in every if pid])
        sides = {
            label: self._side(target, reporting[label], pids[label], seen) for label, target in self.targets.items()
        }
        if self._redis_pid:
            redis |= {"m": redis["m"] | self._outside.measure(seen, [self._redis_pid])}
            if self._redis_pid in seen and seen[self._redis_pid].frozen:
                redis["state"] = "frozen"
        self._outside.remember(seen)
        tick: dict[str, Any] = {"t": round(time.time()), "sides": sides, "redis": redis}
        if self.crowd.second is not None:
            tick["generator"] = self.crowd.second["generator"]
        return tick

    async def _learn(self) -> None:
        """Ask the stack what runs, and tell where that is news."""
        if self.link is None:
            return
        try:
            told = await self.link.describe()
        except StackLinkError:
            return
        known = self.sides
        self._redis_url = told["redis"]
        for server in told["servers"]:
            if "url" in server:
                self.targets[server["name"]] = Target(
                    *(server["name"], server["title"], server["model"], server["url"]),
                    *(server["pid"], server["workers"], server["hurt"]),
                )
            elif server["name"] == "redis":
                self._redis_pid = server["pid"]
        if self.sides != known:
            self._tell()

    async def addresses(self) -> dict[str, str]:
        """Return those of the backends that are up now, by label: the last tick may be of before one came up."""
        await self._learn()
        return {label: target.url for label, target in self.targets.items() if self.link is None or target.pid}

    def _pids(self, target: Target, workers: list[Worker]) -> list[int]:
        """The processes of a backend that are of this machine; nobody else's numbers mean anything here."""
        if self.link is None or target.pid is None:
            return []
        return sorted({target.pid, *(worker.latest.pid for worker in workers)})

    def _side(self, target: Target, workers: list[Worker], pids: list[int], seen: Mapping[int, Seen]) -> dict[str, Any]:
        m: dict[str, float | None] = {}
        heat: list[tuple[int, int]] = []
        closes: dict[str, float] = {}
        if workers:
            m |= _of_workers(workers)
            closes = counters.rates_by_label(workers, "chat_disconnects_total", "reason")
        m["dlvTotal"] = self._backends.get(target.label, Backend()).total("chat_deliveries_total")
        m |= self._outside.measure(seen, pids)
        if self.crowd.second is not None and target.label in self.crowd.second["sides"]:
            m |= self._of_crowd(self.crowd.second["sides"][target.label])
            heat = _heat(self.crowd.second["sides"][target.label]["buckets"])
        frozen = [pid for pid in pids if pid in seen and seen[pid].frozen]
        return {
            "state": self._state(target, workers, frozen, m),
            "workers": [len(workers), target.expected],
            "m": {name: value for name, value in m.items() if value is not None},
            "heat": heat,
            "closes": {reason: round(rate, 2) for reason, rate in closes.items()},
        }

    def _state(self, target: Target, workers: list[Worker], frozen: list[int], m: Mapping[str, Any]) -> str:
        if self.link is not None and target.pid is None:
            return "dead"
        if frozen and all(worker.latest.pid in frozen for worker in workers):
            return "frozen"  # at once, not when the last word of the workers is old enough
        if not workers:
            return "silent" if time.monotonic() - self._began > SILENT_AFTER else "starting"
        if (m.get("probeAge") or 0) > DEGRADED_AFTER:
            return "degraded"
        return "live" if len(workers) >= target.expected else "partly"

    @staticmethod
    def _of_crowd(told: dict[str, Any]) -> dict[str, float | None]:
        """What clients saw in the last second, and what went wrong since they came."""
        counts, grown = told["counts"], told["grown"]
        latency = Histogram()
        latency.counts = dict(told["buckets"])
        latency.count, latency.longest = sum(latency.counts.values()), told["max"]
        percentiles = {f"p{percent}": latency.percentile(percent) for percent in (50, 95, 99)} | {"max": told["max"]}
        return {
            "planned": told["planned"],
            "members": told["open"],
            "handshaking": told["handshaking"],
            "offered": grown.get("offered", 0),
            "acked": grown.get("acknowledged", 0),
            "seen": grown.get("deliveries", 0),
            "seenTotal": counts.get("deliveries", 0),
            "unavailable": grown.get("unavailable", 0),
            **{name: counts.get(name, 0) for name in ("lost", "duplicated", "corrupt", "told", "recovered")},
            **{name: round(value, 6) if latency.count else None for name, value in percentiles.items()},
        }

    # ---- Redis ----------------------------------------------------------------------------------

    async def _see_redis(self) -> dict[str, Any]:
        """Ask Redis how it does: one command a second, and never for long."""
        if self._redis_url is None:
            return {"state": "unknown", "m": {}}
        if self._redis is None:
            self._redis = Redis.from_url(
                self._redis_url,
                socket_timeout=REDIS_PATIENCE,
                socket_connect_timeout=REDIS_PATIENCE,
                retry=Retry(NoBackoff(), 0),
            )
        try:
            info = await self._redis.info()
        except (RedisError, OSError, TimeoutError):
            self._redis_ops = None
            return {"state": "dead" if self.link is not None and self._redis_pid is None else "silent", "m": {}}
        m: dict[str, float] = {"memory": info["used_memory"], "clients": info["connected_clients"]}
        now, done = time.monotonic(), float(info["total_commands_processed"])
        if self._redis_ops is not None and done >= self._redis_ops[1]:
            m["ops"] = round((done - self._redis_ops[1]) / (now - self._redis_ops[0]), 1)
        self._redis_ops = (now, done)
        return {"state": "live", "m": m}


def _of_workers(workers: list[Worker]) -> dict[str, float | None]:
    """What the workers count, together."""
    lag50, lag99, lag_max = counters.quantiles(workers, "chat_scheduler_lag_seconds", (0.5, 0.99, 1))
    relay50, relay99 = counters.quantiles(workers, "chat_relay_lag_seconds", (0.5, 0.99))
    rounded = {
        "lag50": lag50,
        "lag99": lag99,
        "lagMax": lag_max,
        "relay50": relay50,
        "relay99": relay99,
        "posts": counters.rate(workers, 'chat_commands_total{type="post"}'),
        "dlv": counters.rate(workers, "chat_deliveries_total"),
        "closed": counters.rate(workers, "chat_disconnects_total", labelled=True),
        "probeAge": max(worker.latest.values.get("chat_probe_age_seconds", 0) for worker in workers),
    }
    accepted = counters.rate(workers, 'chat_handshakes_total{outcome="accepted"}')
    handshakes = counters.rate(workers, "chat_handshakes_total", labelled=True)
    return {
        **{name: None if value is None else round(value, 5) for name, value in rounded.items()},
        "open": counters.gauge(workers, "chat_connections_open"),
        "outbox": counters.gauge(workers, "chat_outbox_bytes"),
        "refused": round(handshakes - accepted, 2),
    }


def _heat(buckets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The rows of the heatmap of one second, from the lowest, with how many deliveries fell in each."""
    rows: dict[int, int] = {}
    for bucket, count in buckets:
        row = _row(bucket)
        rows[row] = rows.get(row, 0) + count
    return sorted(rows.items())


@cache
def _row(bucket: int) -> int:
    microseconds = highest(bucket) + 1
    return min(HEAT_ROWS - 1, max(0, math.floor(2 * math.log2(microseconds / HEAT_UNIT))))
