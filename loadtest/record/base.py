"""What all records of a run have in common."""

from pydantic import BaseModel, ConfigDict


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
