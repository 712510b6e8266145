"""Two contenders side by side: ratios, the noise floor, capacity by steps, and where one begins to win."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Final

from loadtest.outcome import statistics
from loadtest.outcome.format import quantity
from loadtest.record.models import Capacity, Compared, Crossover, Phase, PhaseResult, Plan, Run, Trial

METRICS: Final = {
    "delivery_p50": "seconds",
    "delivery_p99": "seconds",
    "handshake_p99": "seconds",
    "http_p99": "seconds",
    "cpu_per_delivery": "microseconds",
    "rss_per_connection": "bytes",
}
"""What is compared, and in what it is measured; of all of them less is better."""


def compare(run: Run, plan: Plan, trials: Sequence[Trial]) -> list[Compared]:
    """Return every pair of labels in every figure, whole, and phase by phase where there are several."""
    noise = noise_floor(run, trials)
    rows: list[Compared] = []
    for a, b in _pairs(run):
        for metric, unit in METRICS.items():
            rows.append(_compared(metric, None, a, b, _values(trials, a, metric), _values(trials, b, metric), unit))
        for phase in _steps(plan):
            values_a, values_b = (_phase_values(trials, label, phase.name) for label in (a, b))
            rows.append(_compared("delivery_p99", phase.name, a, b, values_a, values_b, "seconds"))
    return [_against(row, noise) for row in rows if row.finding != "not measured"]


def noise_floor(run: Run, trials: Sequence[Trial]) -> list[Compared]:
    """Return how far the same target seems to be from itself."""
    same = [(a, b) for a, b in combinations(run.targets, 2) if a.target == b.target]
    rows = [
        _compared(
            metric, None, a.label, b.label, _values(trials, a.label, metric), _values(trials, b.label, metric), unit
        )
        for a, b in same
        for metric, unit in METRICS.items()
    ]
    return [row for row in rows if row.finding != "not measured"]


def capacities(run: Run, plan: Plan, trials: Sequence[Trial]) -> list[Capacity]:
    """Return for each label the highest step of a stepped run that was held, in every trial of it."""
    steps = _rising(plan)
    limit = next((one.at_most for one in run.objectives if one.metric == "delivery_p99"), None)
    if not steps or limit is None:
        return []
    found = []
    for target in run.targets:
        best: tuple[Phase, float] | None = None
        reason = "the last step was held"
        for step in steps:
            results = _results(trials, target.label, step.name)
            if missed := next((why for one in results if (why := _missed(one, limit))), ""):
                reason = f"{step.name}: {missed}"
                break
            if results:
                best = step, sum(one.deliveries for one in results) / sum(one.seconds for one in results)
        found.append(
            Capacity(
                label=target.label,
                phase=best[0].name if best else None,
                rate=best[0].rate if best else None,
                connections=best[0].connections if best else None,
                deliveries_per_second=best[1] if best else None,
                limit=reason,
            )
        )
    return found


def crossovers(run: Run, plan: Plan, trials: Sequence[Trial]) -> list[Crossover]:
    """Return for each pair the step from which on one of them is better in the 99th percentile of delivery."""
    steps = _rising(plan)
    found = []
    for a, b in _pairs(run) if steps else []:
        rows = [
            _compared(
                "delivery_p99",
                step.name,
                a,
                b,
                _phase_values(trials, a, step.name),
                _phase_values(trials, b, step.name),
                "seconds",
            )
            for step in steps
        ]
        if any(row.finding == "not enough repeats" for row in rows):
            continue
        from_here = len(rows)
        while from_here and rows[from_here - 1].better and rows[from_here - 1].better == rows[-1].better:
            from_here -= 1
        if from_here == len(rows):
            text = f"{a} and {b}: at no step is one of them better from there on"
            found.append(Crossover(metric="delivery_p99", phase=None, better=None, text=text))
        else:
            phase, better = rows[from_here].phase, rows[-1].better
            text = f"{better} is better from {phase} on; below, neither is for sure"
            found.append(Crossover(metric="delivery_p99", phase=phase, better=better, text=text))
    return found


def _pairs(run: Run) -> list[tuple[str, str]]:
    """The first of each target against each other; a target against itself only if there is nothing else."""
    pairs = [(a, b) for a, b in combinations(run.targets, 2) if a.target != b.target]
    firsts = {target.target: target.label for target in reversed(run.targets)}
    chosen = [(a.label, b.label) for a, b in pairs if firsts[a.target] == a.label and firsts[b.target] == b.label]
    return chosen or [(a.label, b.label) for a, b in combinations(run.targets, 2)]


def _compared(
    metric: str,
    phase: str | None,
    a: str,
    b: str,
    values_a: Sequence[float | None],
    values_b: Sequence[float | None],
    unit: str,
) -> Compared:
    size = min(len(values_a), len(values_b))
    ratio = statistics.ratio(values_a[:size], values_b[:size])
    finding = statistics.find(ratio, unit)
    better = None
    if ratio is not None and finding == "difference":
        better = a if ratio.value > 1 else b
    single = ratio is None or ratio.blocks < 2
    return Compared(
        metric=metric,
        phase=phase,
        a=a,
        b=b,
        value_a=ratio.a if ratio else None,
        value_b=ratio.b if ratio else None,
        ratio=ratio.value if ratio else None,
        low=None if single or ratio is None else ratio.low,
        high=None if single or ratio is None else ratio.high,
        finding=finding,
        better=better,
    )


def _against(row: Compared, noise: Sequence[Compared]) -> Compared:
    """A difference no larger than that of a target from itself is none."""
    if row.finding != "difference" or row.ratio is None:
        return row
    for floor in noise:
        if floor.metric == row.metric and floor.low is not None and floor.high is not None:
            span = max(floor.high, 1 / floor.low)
            if 1 / span <= row.ratio <= span:
                return row.model_copy(update={"finding": "within noise", "better": None})
    return row


def _steps(plan: Plan) -> list[Phase]:
    measured = [phase for phase in plan.phases if phase.measured and phase.rate]
    return measured if len(measured) > 1 else []


def _rising(plan: Plan) -> list[Phase]:
    """Return the steps where each asks for more than the one before; none where the phases differ in something else."""
    steps = _steps(plan)
    sizes = [(phase.rate, phase.connections) for phase in steps]
    return steps if all(one < next_ for one, next_ in pairwise(sizes)) else []


def _missed(result: PhaseResult, limit: float) -> str:
    p99 = result.latency.delivery.p99
    if p99 is None:
        return "nothing was delivered"
    if p99 > limit:
        return f"p99 {quantity(p99, 'seconds')}"
    if result.acknowledged < result.planned:
        return f"{result.planned - result.acknowledged} of {result.planned} messages were not accepted"
    return ""


def _by_block(trials: Sequence[Trial], label: str) -> list[Trial]:
    return sorted((trial for trial in trials if trial.label == label), key=lambda trial: trial.block)


def _values(trials: Sequence[Trial], label: str, metric: str) -> list[float | None]:
    return [trial.figures.get(metric) for trial in _by_block(trials, label)]


def _results(trials: Sequence[Trial], label: str, phase: str) -> list[PhaseResult]:
    return [one for trial in _by_block(trials, label) for one in trial.phases if one.name == phase]


def _phase_values(trials: Sequence[Trial], label: str, phase: str) -> list[float | None]:
    return [one.latency.delivery.p99 for one in _results(trials, label, phase)]
