"""What becomes of a trial once it is over: its ledger added up, and what it cost the server."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from loadtest.conductor import merge
from loadtest.conductor.figures import lag_p99
from loadtest.crew import accounts
from loadtest.record.models import Denominators, Ledger, Loss, Resources, Second, ServerSample, Trial
from loadtest.schedule import Schedule

FEWEST: Final = 50
"""Members of which fewer say nothing of the memory of one."""


def conclude(trial: Trial, finals: Sequence[Mapping[str, Any]], schedule: Schedule, seconds: Sequence[Second]) -> None:
    """Add up what all processes of the generator found; ``trial`` knows already what the server counted."""
    trial.phases = merge.phases(finals, schedule.windows)
    ledger: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    for final in finals:
        ledger.update(final["ledger"])
        causes.update(final["losses"])
    trial.ledger = Ledger(**ledger)
    trial.examples = merge.examples(finals)
    trial.losses = [Loss(**row) for row in accounts.as_record(causes, trial.counters)]
    delivered = sum(final["delivered"] for final in finals)
    trial.denominators = Denominators(
        intended=sum(action.audience for action in schedule.actions if action.kind == "post"),
        connected=delivered + ledger["lost"],
        delivered=delivered,
    )
    closes: Counter[str] = Counter()
    for second in seconds:
        closes.update(second.closes)
    trial.closes = dict(closes)
    trial.generator = merge.health(seconds, schedule.workload.duration, finals)


def resources(
    trial: Trial,
    schedule: Schedule,
    samples: Sequence[ServerSample],
    used: Mapping[str, float],
    rss: tuple[int | None, int | None],
    passed: float,
) -> Resources:
    """Return what the trial cost. ``used`` is CPU in seconds, of whom; ``rss`` is memory before and with everybody in;
    ``passed`` are the seconds in which that was used."""
    idle, full = rss
    servers = [[one for one in sample.processes if one.role != "redis"] for sample in samples]
    connections, delivered = schedule.workload.connections, trial.denominators.delivered
    own = used["server"] + used["redis"] + used["generator"]
    return Resources(
        server_cpu=used["server"] / passed,
        redis_cpu=None if used["redis"] < 0 else used["redis"] / passed,
        cpu_per_delivery=used["server"] / delivered if delivered else None,
        rss_idle=idle,
        rss_full=full,
        rss_max=max((sum(one.rss for one in some) for some in servers if some), default=None),
        rss_per_connection=(full - idle) / connections if full and idle and connections >= FEWEST else None,
        threads_max=max((sum(one.threads for one in some) for some in servers if some), default=None),
        fds_max=max((sum(one.fds or 0 for one in some) for some in servers if some), default=None),
        switches_per_second=_mean([sum(one.voluntary + one.involuntary for one in some) for some in servers]),
        scheduler_lag_p99=lag_p99(trial.counters),
        others_cpu=max(0.0, used["all"] - own) / passed,
    )


def grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return what was counted in between; a server that was started anew began at zero."""
    return {
        name: value - before.get(name, 0.0) if value >= before.get(name, 0.0) else value
        for name, value in after.items()
        if math.isfinite(value)
    }


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
