"""What the generator's processes tell, put together: counts added, histograms added, percentiles read only then."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from loadtest.crew.books import LATENCIES, unpacked
from loadtest.histogram import Histogram
from loadtest.ledger import BROKEN
from loadtest.record.models import (
    Connections,
    GeneratorHealth,
    Latency,
    Ledger,
    Messages,
    Percentiles,
    PhaseResult,
    Second,
)
from loadtest.schedule import Window

MOST_EXAMPLES: Final = 12

Plain = Mapping[str, Any]


def latency(histogram: Histogram) -> Latency:
    """Return the record of a histogram."""
    if not histogram.count:
        return Latency()
    return Latency(
        count=histogram.count,
        p50=histogram.percentile(50),
        p95=histogram.percentile(95),
        p99=histogram.percentile(99),
        max=histogram.longest,
        buckets=sorted(histogram.counts.items()),
    )


def histogram(record: Latency) -> Histogram:
    """Return the histogram of a record."""
    return unpacked({"longest": record.max or 0.0, "counts": record.buckets})


def added(records: Iterable[Latency]) -> Histogram:
    """Return all of them together."""
    whole = Histogram()
    for record in records:
        whole.add(histogram(record))
    return whole


def second(frames: Sequence[Plain], label: str, repeat: int, phase: str | None, at: float) -> Second:
    """Return the line of the series for the frames of one second, one of each process."""
    sums = _sum(frames)
    found = _histograms(frames)
    lag, loop = found.pop("send_lag"), found.pop("loop_lag")
    connections = _sum([frame["connections"] for frame in frames])
    return Second(
        t=frames[0]["t"],
        at=at,
        label=label,
        repeat=repeat,
        phase=phase,
        connections=Connections(**connections, refused=sums["turned_away"], ended=sums["ended"]),
        messages=Messages(**{name: sums[name] for name in Messages.model_fields}),
        deliveries=sums["deliveries"],
        recovered=sums["recovered"],
        **{name: latency(one) for name, one in found.items()},
        http_failed=sums["http_failed"],
        ledger=Ledger(**_sum([frame["ledger"] for frame in frames])),
        closes=_sum([frame["closes"] for frame in frames]),
        generator=GeneratorHealth(
            cpu=max(frame["cpu"] for frame in frames),
            send_lag_p99=lag.percentile(99) if lag.count else None,
            loop_lag_p99=loop.percentile(99) if loop.count else None,
            gc_pause=max(frame["gc_pause"] for frame in frames),
            failures=sums["failures"],
        ),
    )


def phases(finals: Sequence[Plain], windows: Sequence[Window]) -> list[PhaseResult]:
    """Return what became of each phase."""
    results = []
    for place, window in enumerate(windows):
        parts = [final["phases"][place] for final in finals]
        sums, found = _sum(parts), _histograms(parts)
        results.append(
            PhaseResult(
                name=window.phase.name,
                planned=sums["planned"],
                sent=sums["sent"],
                acknowledged=sums["acknowledged"],
                deliveries=sums["deliveries"],
                seconds=window.end - window.begin,
                latency=Percentiles(**{name: latency(found[name]) for name in LATENCIES}),
            )
        )
    return results


def examples(finals: Sequence[Plain]) -> list[str]:
    """Return some of what was noted, what no server may do before what it may."""
    found = [example for final in finals for example in final["examples"]]
    return sorted(found, key=lambda example: example.partition(":")[0] not in BROKEN)[:MOST_EXAMPLES]


def health(seconds: Iterable[Second], last: float, finals: Sequence[Plain] = ()) -> GeneratorHealth:
    """Return the generator's health over all ``seconds`` of the plan, which ends after ``last`` seconds.

    CPU is the mean of the busiest process's; lags are those of the worst process.
    """
    while_on = [one for one in seconds if one.t + 1 <= last] or list(seconds)
    if not while_on:
        return GeneratorHealth(cpu=0.0, send_lag_p99=None, loop_lag_p99=None, gc_pause=0.0)
    return GeneratorHealth(
        cpu=sum(one.generator.cpu for one in while_on) / len(while_on),
        send_lag_p99=max(
            (_p99([phase["latency"]["send_lag"] for phase in one["phases"]]) for one in finals), default=None
        ),
        loop_lag_p99=max((_p99([one["loop_lag"]]) for one in finals), default=None),
        gc_pause=max(one.generator.gc_pause for one in while_on),
        failures=sum(one.generator.failures for one in while_on),
    )


def _p99(parts: Sequence[Plain]) -> float:
    whole = Histogram()
    for part in parts:
        whole.add(unpacked(part))
    return whole.percentile(99) if whole.count else 0.0


def _sum(parts: Iterable[Plain]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for part in parts:
        for name, value in part.items():
            if isinstance(value, int):
                sums[name] += value
    return dict(sums)


def _histograms(parts: Sequence[Plain]) -> dict[str, Histogram]:
    found: dict[str, Histogram] = {}
    for part in parts:
        for name, plain in part["latency"].items():
            found.setdefault(name, Histogram()).add(unpacked(plain))
    return found
