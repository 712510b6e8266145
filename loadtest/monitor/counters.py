"""What the workers of one backend count, put together: rates, gauges and quantiles of the last second."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chat_core.stats import SILENT_AFTER, VERSION

FORGET_AFTER: Final = 60.0
LONGEST: Final = 60.0
"""Stands for the bucket without an upper bound."""


@dataclass(slots=True)
class Report:
    """One datagram, checked."""

    backend: str
    process: str
    pid: int
    sequence: int
    at: float
    values: Mapping[str, float]
    histograms: Mapping[str, Mapping[str, Any]]


def parse(datagram: bytes) -> Report | None:
    """Return what a worker sent; None for anything else that came to the socket."""
    try:
        found = json.loads(datagram)
        if found["version"] != VERSION:
            return None
        return Report(
            str(found["backend"]),
            str(found["process"]),
            int(found["pid"]),
            int(found["sequence"]),
            float(found["at"]),
            {str(name): float(value) for name, value in found["values"].items()},
            {
                str(name): {"bounds": [*map(float, one["bounds"])], "counts": [*map(int, one["counts"])]}
                for name, one in found["histograms"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(slots=True)
class Worker:
    """One process: its last two reports, and when the last one came (monotonic seconds)."""

    latest: Report
    before: Report | None
    heard: float


@dataclass
class Backend:
    """The workers of one backend. ``gone`` is what those counted that are no more, so that sums never shrink."""

    workers: dict[str, Worker] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)

    def take(self, report: Report, now: float) -> None:
        """A datagram came. One that is older than the last of its process says nothing new."""
        known = self.workers.get(report.process)
        if known is None:
            # The first one of a process that has just begun counts from nothing; of another, who knows since when.
            before = _nothing(report) if report.sequence == 1 else None
            self.workers[report.process] = Worker(report, before, now)
        elif report.sequence > known.latest.sequence:
            self.workers[report.process] = Worker(report, known.latest, now)

    def reporting(self, now: float) -> list[Worker]:
        """Return the workers that are heard of; forget those that have been silent for long."""
        for process, worker in list(self.workers.items()):
            if now - worker.heard > FORGET_AFTER:
                for name, value in worker.latest.values.items():
                    if name.partition("{")[0].endswith("_total"):
                        self.gone[name] = self.gone.get(name, 0) + value
                del self.workers[process]
        return [worker for worker in self.workers.values() if now - worker.heard <= SILENT_AFTER]

    def total(self, name: str) -> float:
        """Return what all workers ever counted under that name, those included that are no more."""
        return self.gone.get(name, 0) + sum(worker.latest.values.get(name, 0) for worker in self.workers.values())


def rate(workers: Sequence[Worker], name: str, labelled: bool = False) -> float:
    """Return by how much a counter grows per second; ``labelled``: summed over its labels."""
    return sum(_growth(worker, name, labelled) for worker in workers)


def rates_by_label(workers: Sequence[Worker], name: str, label: str) -> dict[str, float]:
    """Return per value of ``label`` by how much a counter grows per second; only where it does."""
    found: dict[str, float] = {}
    for worker in workers:
        for series in worker.latest.values:
            if series.startswith(f"{name}{{") and (grown := _growth(worker, series, False)) > 0:
                value = series.partition(f'{label}="')[2].partition('"')[0]
                found[value] = found.get(value, 0) + grown
    return found


def gauge(workers: Sequence[Worker], name: str) -> float:
    """Return the sum of a gauge."""
    return sum(worker.latest.values.get(name, 0) for worker in workers)


def quantiles(workers: Sequence[Worker], name: str, wanted: Sequence[float]) -> list[float | None]:
    """Return the quantiles (1: the maximum) of what a histogram took in since the last report but one, in its unit.

    Within a bucket values are taken to be spread evenly; of the last one only its lower bound is known.
    """
    bounds: Sequence[float] = ()
    counts: list[int] = []
    for worker in workers:
        now = worker.latest.histograms.get(name)
        if now is None or worker.before is None:
            continue
        then = worker.before.histograms.get(name, {}).get("counts", [0] * len(now["counts"]))
        grown = [max(0, count - before) for count, before in zip(now["counts"], then, strict=False)]
        bounds, counts = now["bounds"], [sum(pair) for pair in zip(counts or [0] * len(grown), grown, strict=True)]
    return [_quantile(bounds, counts, one) for one in wanted]


def _quantile(bounds: Sequence[float], counts: Sequence[int], wanted: float) -> float | None:
    if not (whole := sum(counts)):
        return None
    rank, reached, low = wanted * whole, 0, 0.0
    for bound, count in zip([*bounds, LONGEST], counts, strict=True):
        if count and reached + count >= rank:
            return bound if wanted == 1 else low + (bound - low) * (rank - reached) / count
        reached, low = reached + count, bound
    return low


def _growth(worker: Worker, name: str, labelled: bool) -> float:
    if worker.before is None or worker.latest.at <= worker.before.at:
        return 0.0
    now, then = worker.latest.values, worker.before.values
    if labelled:
        names = [series for series in now if series.startswith(f"{name}{{")]
        grown = sum(now[series] - then.get(series, 0) for series in names)
    else:
        grown = now.get(name, 0) - then.get(name, 0)
    return max(0.0, grown) / (worker.latest.at - worker.before.at)


def _nothing(report: Report) -> Report:
    return Report(report.backend, report.process, report.pid, 0, report.at - 1, {}, {})
