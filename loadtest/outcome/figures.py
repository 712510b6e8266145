"""The figures of a trial, as objectives, hypotheses and tables name them, and in what they are measured."""

from typing import Final

from loadtest.ledger import BROKEN
from loadtest.record.models import Ledger, Trial

COUNTS: Final = ("members_max", "threads_max", "handshaking_max")
DURATIONS: Final = ("seconds_below_95", "seconds_without_delivery", "ghost_seconds")


def figure(trial: Trial, metric: str, phase: str | None = None) -> float | None:
    """Return a figure of a trial, or of one of its phases; None where it has none.

    ``broken`` are deliveries and replies that no server may get wrong; kinds of the ledger and what the server counted
    are figures too.
    """
    if phase is not None:
        return _of_phase(trial, metric, phase)
    if metric == "broken":
        return float(broken(trial))
    if metric in Ledger.model_fields:
        return float(getattr(trial.ledger, metric))
    return trial.figures[metric] if metric in trial.figures else trial.counters.get(metric)


def broken(trial: Trial) -> int:
    return sum(getattr(trial.ledger, kind) for kind in BROKEN)


def _of_phase(trial: Trial, metric: str, phase: str) -> float | None:
    name, _, which = metric.rpartition("_")
    for one in trial.phases:
        if one.name == phase:
            value: float | None = getattr(getattr(one.latency, name), which)
            return value
    return None


def unit_of(metric: str) -> str:
    """Return in what a figure is measured."""
    if metric == "cpu_per_delivery":
        return "microseconds"
    if metric.startswith("rss"):
        return "bytes"
    if metric in ("reach", "inside", "server_cpu"):
        return "share"
    if metric == "imbalance":
        return "times"
    latency = metric.endswith(("_p50", "_p99", "_max")) and metric not in COUNTS
    return "seconds" if latency or metric in DURATIONS else "count"
