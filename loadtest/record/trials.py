"""A line of ``trials.jsonl``: all that is judged of one trial."""

from typing import Literal

from loadtest.record.base import Latency, Record
from loadtest.record.seconds import GeneratorHealth, Ledger


class Percentiles(Record):
    """Histograms of one phase of one trial."""

    delivery: Latency
    service: Latency
    uncorrected: Latency
    """what a tool would have seen that waits for each message before it sends the next in that room"""
    send_lag: Latency
    handshake: Latency
    http: Latency
    first: Latency
    """intended → received, of the first listener of each message"""
    median: Latency
    last: Latency


class PhaseResult(Record):
    """What became of one phase."""

    name: str
    planned: int
    sent: int
    acknowledged: int
    deliveries: int
    seconds: float
    latency: Percentiles


class Denominators(Record):
    """Deliveries that should have been: to whom the plan made a member, and to whom really was one."""

    intended: int
    connected: int
    delivered: int


class Loss(Record):
    """Deliveries that an intended member did not get, and why, by what server and client recorded."""

    cause: Literal[
        "publish refused",
        "not sent",
        "bus gap",
        "closed as slow",
        "socket dead",
        "client gap",
        "never got in",
        "not in yet",
        "server restarted",
        "reset",
        "backlog",
    ]
    deliveries: int
    detail: str = ""


class Resources(Record):
    """What the trial cost the server, in its measured phases."""

    server_cpu: float | None
    """mean part of one CPU, all processes together"""
    redis_cpu: float | None
    cpu_per_delivery: float | None
    """seconds of the server's processes"""
    rss_idle: int | None
    """before the first connection"""
    rss_full: int | None
    """with everybody in"""
    rss_max: int | None
    rss_per_connection: float | None
    threads_max: int | None
    fds_max: int | None
    switches_per_second: float | None
    scheduler_lag_p99: float | None
    others_cpu: float | None
    """part of one CPU that other programs took of the CPUs in use"""


class Trial(Record):
    """A line of ``trials.jsonl``: all that is judged of one trial."""

    label: str
    repeat: int
    block: int
    began: float
    seconds: float
    status: Literal["complete", "failed", "disturbed"]
    """disturbed: other programs made it void, it was made again, and it is not judged"""
    error: str = ""
    conformance: list[str]
    """what failed of the checks before timing; empty: all passed"""
    phases: list[PhaseResult]
    ledger: Ledger
    examples: list[str]
    denominators: Denominators
    losses: list[Loss]
    closes: dict[str, int]
    resources: Resources
    generator: GeneratorHealth
    """the worst: CPU as a mean, lags as 99th percentiles, of all measured phases"""
    counters: dict[str, float]
    """what the server counted during the trial, by the names of its /metrics"""
    figures: dict[str, float | None]
    """every figure that objectives and comparisons may name"""
