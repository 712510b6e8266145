"""The counters of one process as one datagram, for a monitor that watches from outside (see docs/operations.md)."""

from math import isfinite
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample
from pydantic_core import to_json

from chat_core.settings import BackendName

VERSION: Final = 1
"""Of the form of a datagram; who reads it lets go of those of a version that it does not know."""
INTERVAL: Final = 1.0
"""Seconds from one datagram to the next."""
SILENT_AFTER: Final = 2.2
"""Seconds without a datagram after which a worker counts as silent: one of them may be late, or lost."""


def datagram(
    registry: CollectorRegistry, backend: BackendName, process: str, pid: int, sequence: int, at: float
) -> bytes:
    """Return the JSON object that says what ``registry`` holds. ``at`` is in seconds since 1970.

    ``values`` are counters and gauges by their names in ``/metrics``, labels included; those that are 0,
    or infinite because nothing is known yet, are left out.
    ``histograms`` have upper ``bounds``, a count between each and the one before (the last one: beyond all), the
    ``sum``, and the unit in their names. All of them count from the start of the process.
    """
    values: dict[str, float] = {}
    histograms: dict[str, Any] = {}
    for family in registry.collect():
        if family.type == "histogram":
            histograms[family.name] = _histogram(family.samples)
        else:
            values |= {_series(one): one.value for one in family.samples if _wanted(one)}
    return to_json(
        {
            "version": VERSION,
            "backend": backend,
            "process": process,
            "pid": pid,
            "sequence": sequence,
            "at": at,
            "values": values,
            "histograms": histograms,
        }
    )


def _histogram(samples: list[Sample]) -> dict[str, Any]:
    buckets = [one for one in samples if one.name.endswith("_bucket")]
    reached = [0.0, *(one.value for one in buckets)]
    return {
        "bounds": [float(one.labels["le"]) for one in buckets[:-1]],
        "counts": [int(reached[place] - reached[place - 1]) for place in range(1, len(reached))],
        "sum": next(one.value for one in samples if one.name.endswith("_sum")),
    }


def _wanted(sample: Sample) -> bool:
    return sample.value != 0 and isfinite(sample.value) and not sample.name.endswith("_created")


def _series(sample: Sample) -> str:
    """The name of a sample with its labels, as ``/metrics`` writes it."""
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}}" if labels else sample.name
