"""A line of ``servers.jsonl``: one target seen from outside, in one second of one trial."""

from typing import Literal

from pydantic import Field

from loadtest.record.base import Record


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
    values: dict[str, float] = Field({})
    """of all workers together, by the names of /metrics"""
