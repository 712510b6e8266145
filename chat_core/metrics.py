"""Every instrument of a backend: names, labels and buckets, the same on both.

Units are in the names. With ``PROMETHEUS_MULTIPROC_DIR`` set, the values are in files that all workers share
(``launch.exposition`` reads them); gauges then say by their mode how those of several processes become one.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from chat_core.disconnects import SLOW, TABLE, Disconnect
from chat_core.frames import RefusalCode

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
BEAT: Final = 0.1
"""Seconds between two looks at how late the scheduler is, on average."""
_MOST_BEATS: Final = 600
COMMANDS: Final = ("join", "leave", "post", "edit", "delete", "react", "typing", "read", "malformed")
HANDSHAKES: Final = (
    "accepted",
    "unauthorized",
    "origin_refused",
    "full",
    "too_fast",
    "draining",
    "not_found",
    "bad_handshake",
)
"""How a handshake ends: accepted, or with one of ``problems`` (``too_fast`` is told as ``full``).

uvicorn answers bad handshakes itself, uncounted.
"""

_LAG: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_RECIPIENTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


class Metrics:
    """The instruments of one process. Reading them is ``render``; ``registry`` holds this process's own values."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connections_open = self._gauge("connections_open", "WebSocket connections that are open", "livesum")
        self.connections = self._counter("connections", "WebSocket connections opened")
        self.handshakes = self._counter("handshakes", "WebSocket handshakes by outcome", ["outcome"])
        self.slow_requests = self._counter("slow_requests", "requests given up because they did not come whole in time")
        self.commands = self._counter("commands", "commands received by type", ["type"])
        self.refusals = self._counter("refusals", "commands refused by code", ["code"])
        self.deliveries = self._counter("deliveries", "log entries written to members")
        self.delivered_bytes = self._counter("delivered_bytes", "bytes of log entries written to members")
        self.flushes = self._counter("flushes", "flushes of pending entries of one room")
        self.flush_recipients = self._histogram("flush_recipients", "members that one flush wrote to", _RECIPIENTS)
        self.relay_lag = self._histogram("relay_lag_seconds", "from the commit in Redis to the relay", _LAG)
        self.commit_batch = self._histogram("commit_batch_size", "commands in one call of the commit script", _SIZES)
        self.commit_seconds = self._histogram("commit_seconds", "one call of the commit script", _SECONDS)
        self.slow_consumers = self._counter("slow_consumers", "connections closed because they did not read")
        self.ephemeral_withheld = self._counter("ephemeral_withheld", "ephemeral pushes withheld from slow members")
        self.outbox_bytes = self._gauge("outbox_bytes", "bytes written that the kernel has not taken yet", "livesum")
        self.disconnects = self._counter("disconnects", "connections closed by code and reason", ["code", "reason"])
        self.bus_reconnects = self._counter("bus_reconnects", "times the subscription to Redis was made anew")
        self.gaps_filled = self._counter("gaps_filled", "rooms whose missing entries were read from the log")
        self.resets = self._counter("resets", "members told that what they missed cannot be had")
        self.probe_age = self._gauge("probe_age_seconds", "age of the last probe that came back", "livemax")
        self.threads = self._gauge("threads", "threads of the process", "livesum")
        self.scheduler_lag = self._histogram(
            "scheduler_lag_seconds", "how late something that is due gets to run", _LAG
        )
        self._touch(self.handshakes, HANDSHAKES)
        self._commands = {name: self.commands.labels(name) for name in COMMANDS}
        self._touch(self.refusals, get_args(RefusalCode))
        for row in TABLE:
            self.disconnects.labels(row.code, row.reason)

    def commanded(self, name: str) -> None:
        """One more command of that type, or frame that was none."""
        self._commands[name].inc()

    def connected(self) -> None:
        """One more connection is open."""
        self.connections.inc()
        self.connections_open.inc()

    def disconnected(self, disconnect: Disconnect | None) -> None:
        """One connection less is open; ``disconnect`` says why, or is None where the peer went first."""
        self.connections_open.dec()
        if disconnect is None:
            return
        self.disconnects.labels(disconnect.code, disconnect.reason).inc()
        if disconnect is SLOW:
            self.slow_consumers.inc()

    def relayed(self, lag: float) -> None:
        """A block of entries came ``lag`` seconds after its commit, by two clocks that may differ."""
        self.relay_lag.observe(max(0.0, lag))

    def committed(self, size: int, seconds: float) -> None:
        """One call of the commit script wrote ``size`` commands."""
        self.commit_batch.observe(size)
        self.commit_seconds.observe(seconds)

    def flushed(self, flushes: Sequence[tuple[int, int, int]]) -> None:
        """Each flush wrote so many entries to so many members; the third are the bytes of its entries.

        Together, since an increment costs as much as the write to one member.
        """
        reached = [flush for flush in flushes if flush[1]]
        if not reached:
            return
        for _, members, _ in reached:
            self.flush_recipients.observe(members)
        self.flushes.inc(len(reached))
        self.deliveries.inc(sum(entries * members for entries, members, _ in reached))
        self.delivered_bytes.inc(sum(size * members for _, members, size in reached))

    def ticked(self, queued: int, probe_age: float, threads: int) -> None:
        """A second went by: bytes queued in all outboxes, seconds since a probe came back, threads of the process."""
        self.outbox_bytes.set(queued)
        self.probe_age.set(probe_age)
        self.threads.set(threads)

    def woke(self, late: float) -> None:
        """A sleep ended ``late`` seconds after it was due.

        The beats that it kept from being taken count as well: each would have been late by what was then left. So a
        second of standstill weighs a second, and the quantiles are those of something due at any moment.
        """
        for beat in range(min(_MOST_BEATS, int(late / BEAT) + 1)):
            self.scheduler_lag.observe(max(0.0, late - beat * BEAT))

    def render(self) -> bytes:
        """Return the values of this process in the text format of Prometheus."""
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(f"chat_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, mode: Literal["livesum", "livemax"]) -> Gauge:
        return Gauge(f"chat_{name}", meaning, multiprocess_mode=mode, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"chat_{name}", meaning, buckets=buckets, registry=self.registry)

    @staticmethod
    def _touch(counter: Counter, labels: Iterable[str]) -> None:
        """Create the children, so that a rate over them exists before the first event."""
        for label in labels:
            counter.labels(label)
