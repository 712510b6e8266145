"""The figures of one trial, by name: what objectives and comparisons speak of."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from loadtest.conductor import merge
from loadtest.record.models import Second, ServerSample, Trial
from loadtest.schedule import Schedule, Window
from loadtest.workload import Stall

MEANINGFUL_SLOPE: Final = 30
"""Seconds of which less says nothing of a slope."""


def figures(
    trial: Trial, schedule: Schedule, seconds: Sequence[Second], samples: Sequence[ServerSample]
) -> dict[str, float | None]:
    """Return all figures of a trial; those of latency are of all measured phases together."""
    workload = schedule.workload
    seen = _samples_figures(samples, workload.stall, workload.most_connections)
    found = _figures(trial, schedule.windows, seconds) | seen
    return found | {"inside": (found["members_max"] or 0.0) / workload.most_connections}


def _figures(trial: Trial, windows: Sequence[Window], seconds: Sequence[Second]) -> dict[str, float | None]:
    """Return the figures by which a trial is judged, of all measured phases together."""
    measured = [phase for phase, window in zip(trial.phases, windows, strict=True) if window.phase.measured]
    figures: dict[str, float | None] = {}
    for name in ("delivery", "service", "uncorrected", "handshake", "http", "first", "median", "last"):
        phases = trial.phases if name == "handshake" else measured  # most come in before anything is measured
        found = merge.latency(merge.added(getattr(phase.latency, name) for phase in phases))
        figures |= {f"{name}_p50": found.p50, f"{name}_p99": found.p99, f"{name}_max": found.max}
    passed = sum(phase.seconds for phase in measured)
    intended = trial.denominators.intended
    return figures | {
        "deliveries_per_second": sum(phase.deliveries for phase in measured) / passed if passed else None,
        "reach": trial.denominators.delivered / intended if intended else None,
        "lost": float(trial.ledger.lost),
        "cpu_per_delivery": trial.resources.cpu_per_delivery,
        "server_cpu": trial.resources.server_cpu,
        "rss_per_connection": trial.resources.rss_per_connection,
        "rss_max": trial.resources.rss_max,
        "threads_max": trial.resources.threads_max,
        "scheduler_lag_p99": trial.resources.scheduler_lag_p99,
        "members_max": float(max((one.connections.members for one in seconds), default=0)),
        "http_failed": float(sum(one.http_failed for one in seconds)),
        "seconds_without_delivery": _longest_silence(seconds),
        "seconds_below_95": float(sum(_below(one) for one in seconds)),
        "handshaking_max": float(max((one.connections.handshaking for one in seconds), default=0)),
    }


def _below(second: Second) -> bool:
    """Whether more than one in twenty of those who should be inside are not."""
    return second.connections.members < 0.95 * second.connections.planned


def _samples_figures(samples: Sequence[ServerSample], stall: Stall | None, planned: int) -> dict[str, float | None]:
    """Return the figures that only who looks at the server from outside can see."""
    return {
        "imbalance": _imbalance(samples),
        "rss_slope": _slope(samples),
        "ghost_seconds": _ghosts(samples, stall, planned),
    }


def _imbalance(samples: Sequence[ServerSample]) -> float | None:
    """Return how many times its even share the fullest worker had at the end; None where there is one worker."""
    for sample in reversed(samples):
        found = [one.connections for one in sample.processes if one.connections is not None]
        if len(found) > 1 and any(found):
            return max(found) / statistics.fmean(found)
    return None


def _slope(samples: Sequence[ServerSample]) -> float | None:
    """Return by how many bytes a minute the server's memory grew in the second half (least squares)."""
    half = [sample for sample in samples if sample.t >= samples[-1].t / 2 and sample.processes]
    if len(half) < MEANINGFUL_SLOPE:
        return None
    times = [float(sample.t) for sample in half]
    memory = [float(sum(one.rss for one in sample.processes if one.role != "redis")) for sample in half]
    return statistics.linear_regression(times, memory).slope * 60


def _ghosts(samples: Sequence[ServerSample], stall: Stall | None, planned: int) -> float | None:
    """Return the seconds from when peers fell mute until the server counted them no more, or until the end."""
    if stall is None or not stall.forever:
        return None
    healthy = planned - round(stall.share * planned)
    after = [sample for sample in samples if sample.t > stall.at and sample.values]
    gone = next((one.t for one in after if one.values["chat_connections_open"] <= healthy), None)
    return gone - stall.at if gone is not None else (after[-1].t - stall.at if after else None)


def _longest_silence(seconds: Sequence[Second]) -> float | None:
    """Return for how many seconds on end messages were due and nothing was delivered."""
    longest = now = 0
    for second in seconds:
        now = now + 1 if second.messages.planned and not second.deliveries else 0
        longest = max(longest, now)
    return float(longest) if seconds else None


def lag_p99(counters: Mapping[str, float]) -> float | None:
    """Return the 99th percentile of the scheduler's lag from the buckets of the server's own histogram."""
    prefix = 'chat_scheduler_lag_seconds_bucket{le="'
    buckets = sorted(
        (float(name.removeprefix(prefix).partition('"')[0]), count)
        for name, count in counters.items()
        if name.startswith(prefix)
    )
    if not buckets or not buckets[-1][1]:
        return None
    return next((bound for bound, count in buckets if count >= 0.99 * buckets[-1][1]), None)
