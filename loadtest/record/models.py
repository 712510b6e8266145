"""What the files of a run directory hold. Their JSON Schemas, in `loadtest/schemas/`, are made from these models.

Times named ``t`` are seconds since the trial's plan began (below zero while members get in), ``at`` is seconds since
1970; durations are seconds, memory is bytes, CPU is parts of one CPU. What was not measured is null. A *trial* is one
start, warm-up, run and stop of one target; ``label`` names the target among the targets of the run (``async``, and
``async-2`` where the same one is measured twice), ``repeat`` counts its trials from 0.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1
"""Grows when a reader of the former one would misunderstand."""


class Record(BaseModel):
    """Unknown fields and numbers that are none are errors: a damaged file is noticed where it is read."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


Buckets = list[tuple[int, int]]
"""Pairs of bucket and count, see `loadtest.histogram`: bucket b holds microseconds; up to 255 it is b itself, above
that, with s = b // 128 - 1, everything up to ((b - 128 s + 1) << s) - 1. Histograms are added by adding counts."""


class Latency(Record):
    """A histogram of durations, with what is most often read from it."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    buckets: Buckets = []


class Connections(Record):
    """How many there are at the end of the second; ``refused`` and ``ended`` are those of this second."""

    planned: int
    """that the plan wants open now"""
    handshaking: int
    open: int
    """through the handshake, members or not"""
    members: int
    refused: int
    """answered with an HTTP status, or not at all"""
    ended: int
    """that were open, by whom- and whatever"""


class Messages(Record):
    """Posts of this second."""

    planned: int
    sent: int
    acknowledged: int
    refused: int
    unsent: int
    """due, but their connection was gone"""


class Ledger(Record):
    """What went wrong, in deliveries if not said otherwise. In a second of the series: what was found in it."""

    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupt: int = 0
    foreign: int = 0
    """of another room or epoch, or posted by nobody"""
    late_after_leave: int = 0
    """of a room that was left, after the leave was acknowledged: allowed, and counted"""
    unanswered: int = 0
    """posts without a reply, though their connection stayed"""
    answered_twice: int = 0
    refused: int = 0
    """posts answered with an error: what an overloaded server may do"""
    unsent: int = 0
    """posts due while their connection was gone"""
    disconnected: int = 0
    """connections that the server ended"""


class GeneratorHealth(Record):
    """Of the process that was worst in this second."""

    cpu: float
    send_lag_p99: float | None
    loop_lag_p99: float | None
    gc_pause: float
    """the longest one"""
    failures: int = 0
    """connections that could not be tried, for want of descriptors or ports"""


class Second(Record):
    """A line of ``series.jsonl``: one second of one trial, all of the generator's processes together."""

    t: int
    """the second that begins ``t`` seconds after the plan began"""
    at: float
    label: str
    repeat: int
    phase: str | None
    connections: Connections
    messages: Messages
    deliveries: int
    recovered: int
    """of the deliveries, those that came with a resume"""
    delivery: Latency
    """intended → received"""
    service: Latency
    """sent → received; of messages that the receiving process sent itself"""
    handshake: Latency
    """intended → 101"""
    http: Latency
    """intended → answered, of the requests made beside the sockets"""
    http_failed: int
    ledger: Ledger
    closes: dict[str, int]
    """connections that ended, by close code or reason"""
    generator: GeneratorHealth


class Process(Record):
    """One process of a server."""

    pid: int
    role: Literal["server", "worker", "redis"]
    """``server``: the one that was started; ``worker``: one below it"""
    cpu: float
    rss: int
    pss: int | None
    threads: int
    fds: int | None
    voluntary: float
    """context switches per second"""
    involuntary: float
    connections: int | None = None
    """as the worker itself says"""


class RedisSample(Record):
    """What Redis says of itself."""

    ops: float
    """commands per second"""
    clients: int
    output_buffer: int
    """bytes that wait for the client that is furthest behind"""
    memory: int


class SchedulerLag(Record):
    """Drift of a 10 ms sleep inside the server, the worst of its processes in this second."""

    p50: float | None
    p99: float | None
    max: float | None


class ServerSample(Record):
    """A line of ``servers.jsonl``: one target seen from outside, in one second of one trial."""

    t: int
    at: float
    label: str
    repeat: int
    processes: list[Process]
    """none while the server is down"""
    redis: RedisSample | None
    """null where there is none, or it does not answer"""
    socket_memory: int | None
    """bytes of all TCP buffers of the machine"""
    scheduler_lag: SchedulerLag | None
    values: dict[str, float] = {}
    """of all workers together, by the names of /metrics"""


class Event(Record):
    """A line of ``events.jsonl``."""

    t: float
    at: float
    label: str
    repeat: int
    kind: Literal["phase", "fault", "note"]
    name: str
    until: float | None = None
    """when it ended, on the scale of ``t``; null for what has no length"""
    detail: str = ""


class Phase(Record):
    """A part of the plan whose figures are kept apart. Only ``measured`` ones are judged."""

    name: str
    begin: float
    end: float
    rate: float
    """messages per second"""
    connections: int
    """planned at its end"""
    measured: bool


class Plan(Record):
    """``plan.json``: what was to happen. The same workload and seed give the same actions, byte for byte."""

    format: Literal[1] = 1
    scenario: str
    seed: int
    workload: dict[str, Any]
    """as declared, with what the command line changed"""
    phases: list[Phase]
    duration: float
    connections: int
    posts: int
    actions: int
    digest: str
    """SHA-256 of the actions"""


class TargetRecord(Record):
    """One of what is compared."""

    label: str
    target: str
    """name of a profile or baseline, or an address"""
    title: str
    model: Literal["asgi", "wsgi", "other"]


class Objective(Record):
    """What a target must reach to pass."""

    name: str
    metric: str
    at_most: float | None = None
    at_least: float | None = None


class Run(Record):
    """``run.json``: what this directory is. Written first, and again at the end."""

    format: Literal[1] = 1
    id: str
    scenario: str
    question: str
    hypothesis: str
    picture: str
    command: list[str]
    began: float
    ended: float | None = None
    status: Literal["running", "complete", "interrupted", "failed"]
    seed: int
    repeats: int
    targets: list[TargetRecord]
    order: list[str]
    """labels, in the order of the trials"""
    objectives: list[Objective]
    demo: bool = False
    """targets ran at the same time on shared CPUs: to look at, no evidence"""


class Setting(Record):
    """A row of the fairness ledger."""

    name: str
    values: dict[str, str]
    """by label"""
    equal: bool
    why: str = ""
    """it differs, or was set apart from its default"""


class Fairness(Record):
    """``fairness.json``: every setting on both sides."""

    settings: list[Setting]


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


class Judged(Record):
    """An objective, for one label: the median over its repeats."""

    label: str
    name: str
    metric: str
    value: float | None
    limit: str
    held: bool


class Compared(Record):
    """One figure of two labels: the ratio b / a, its 95 % interval, and what follows."""

    metric: str
    phase: str | None
    a: str
    b: str
    value_a: float | None
    value_b: float | None
    ratio: float | None
    low: float | None
    high: float | None
    finding: Literal["difference", "no detectable difference", "not enough repeats", "not measured", "within noise"]
    better: str | None
    """label, where there is a difference"""


class Capacity(Record):
    """The highest phase of a stepped run that reached the objectives."""

    label: str
    phase: str | None
    rate: float | None
    connections: int | None
    deliveries_per_second: float | None
    limit: str


class Crossover(Record):
    """From which phase on one label is better in a metric."""

    metric: str
    phase: str | None
    better: str | None
    text: str


class Verdict(Record):
    """``verdict.json``: follows from the other files; `replay` computes it again."""

    format: Literal[1] = 1
    validity: Literal["valid", "void"]
    reasons: list[str]
    """why it is void"""
    outcome: Literal["pass", "missed", "void", "nonconforming", "interrupted"]
    exit_code: Annotated[int, Field(ge=0, le=130)]
    headline: str
    """one line; says no figure where the run is void"""
    objectives: list[Judged]
    stopped_by: dict[str, str]
    """by label"""
    comparisons: list[Compared]
    noise: list[Compared]
    """the same target against itself"""
    capacity: list[Capacity]
    crossover: list[Crossover]


FILES: dict[str, type[Record]] = {
    "run.json": Run,
    "plan.json": Plan,
    "fairness.json": Fairness,
    "series.jsonl": Second,
    "servers.jsonl": ServerSample,
    "events.jsonl": Event,
    "trials.jsonl": Trial,
    "verdict.json": Verdict,
}
"""What lies in a run directory, beside ``environment.json``: one object of names and texts."""
