"""Whether what was expected is what was found: each part of a hypothesis that is a figure, looked up."""

from collections.abc import Sequence
from statistics import median

from loadtest.outcome.figures import figure, unit_of
from loadtest.outcome.format import bounds, quantity
from loadtest.record.models import Checked, Expectation, Run, Trial, Verdict

FELT = ("delivery_p50", "delivery_p99", "http_p99")
"""What people notice."""


def check(run: Run, trials: Sequence[Trial], verdict: Verdict) -> list[Checked]:
    """Return what became of every part; one that speaks of a label that is not there could not be seen."""
    labels = [target.label for target in run.targets]
    return [_checked(one, labels, trials, verdict) for one in run.expectations]


def confirmed(checked: Sequence[Checked]) -> str:
    """Return in a few words whether a hypothesis was right; nothing where nothing of it could be seen."""
    seen = [one for one in checked if one.held is not None]
    wrong = [f"{one.text} (found {one.found}, expected {one.expected})" for one in seen if not one.held]
    if wrong:
        return "not confirmed: " + "; ".join(wrong)
    return "confirmed" if seen else ""


def _checked(one: Expectation, labels: Sequence[str], trials: Sequence[Trial], verdict: Verdict) -> Checked:
    values = [_value(one, label, trials, verdict) for label in (labels if one.of == "each" else [one.of])]
    known = [value for value in values if value is not None]
    wrong = [value for value in known if not _holds(one, value)]
    unit = "times" if _divided(one) else unit_of(one.metric)
    return Checked(
        text=one.text,
        found=", ".join(quantity(value, unit) for value in wrong or known) or "nothing",
        expected=bounds(one.at_least, one.at_most, unit),
        held=False if wrong else True if len(known) == len(values) else None,
    )


def _divided(one: Expectation) -> bool:
    return bool(one.over or one.over_phase)


def _holds(one: Expectation, value: float) -> bool:
    return (one.at_most is None or value <= one.at_most) and (one.at_least is None or value >= one.at_least)


def _value(one: Expectation, label: str, trials: Sequence[Trial], verdict: Verdict) -> float | None:
    value = found(one.metric, label, trials, verdict, one.phase)
    if value is None or not _divided(one):
        return value
    other = found(one.metric, one.over or label, trials, verdict, one.over_phase or one.phase)
    return value / other if other else None


def found(metric: str, label: str, trials: Sequence[Trial], verdict: Verdict, phase: str | None = None) -> float | None:
    """Return a figure of a label: the median over its repeats. ``capacity`` and ``differences`` are the verdict's."""
    if metric == "capacity":
        return next((one.deliveries_per_second for one in verdict.capacity if one.label == label), None)
    if metric == "differences":
        felt = [one for one in verdict.comparisons if one.metric in FELT]
        return float(sum(one.finding == "difference" for one in felt)) if felt else None
    own = [trial for trial in trials if trial.label == label and trial.status == "complete"]
    values = [value for trial in own if (value := figure(trial, metric, phase)) is not None]
    return median(values) if values else None
