"""Several stored runs as one table, a row each: what was asked, what came out, and what of it is certain."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from loadtest.ledger import BROKEN
from loadtest.outcome import statistics
from loadtest.outcome.figures import figure, unit_of
from loadtest.outcome.format import quantity
from loadtest.outcome.hypothesis import confirmed
from loadtest.record.directory import StoredRun
from loadtest.record.markdown import table
from loadtest.record.models import Trial, Verdict

NAMES = {
    "capacity": "deliveries/s held",
    "seconds_below_95": "time with fewer than 95 % inside",
    "seconds_without_delivery": "time without a delivery",
    "members_max": "members",
    "rss_per_connection": "memory per connection",
    "rss_slope": "memory per minute",
    "ghost_seconds": "until ghosts were gone",
    "imbalance": "fullest worker against the mean",
}
NOTHING = "–"


def summarize(runs: Sequence[StoredRun]) -> str:
    """Return the table. A run that is void, interrupted or not at its end shows why, and no figure."""
    labels = list(dict.fromkeys(target.label for one in runs for target in one.run.targets))
    rows: list[tuple[str, ...]] = [
        ("scenario", "question", "verdict", "figure", *labels, "ratio", "hypothesis", "stopped by", "ledger")
    ]
    rows += [_row(one, labels) for one in sorted(runs, key=lambda one: (one.run.began, one.run.id))]
    return table(rows) + "\n"


def _row(stored: StoredRun, labels: Sequence[str]) -> tuple[str, ...]:
    run, verdict = stored.run, stored.verdict
    head = (run.scenario, run.question)
    if verdict is None:
        return (*head, f"none: {run.status}", NOTHING, *(NOTHING for _ in labels), NOTHING, NOTHING, NOTHING, NOTHING)
    if verdict.outcome not in ("pass", "missed"):
        why = verdict.reasons[0] if verdict.reasons else verdict.headline
        outcome = f"{verdict.outcome}: {why}"
        return (*head, outcome, NOTHING, *(NOTHING for _ in labels), NOTHING, NOTHING, NOTHING, _ledger(stored))
    return (
        *head,
        _outcome(verdict),
        NAMES.get(run.answer, run.answer.replace("_", " ")),
        *(_answer(stored, verdict, label) for label in labels),
        _ratio(stored),
        confirmed(verdict.hypothesis) or NOTHING,
        _stopped(verdict),
        _ledger(stored),
    )


def _outcome(verdict: Verdict) -> str:
    missed = [f"{one.label}: {one.name}" for one in verdict.objectives if not one.held]
    return f"missed: {'; '.join(missed)}" if missed else verdict.outcome


def _answer(stored: StoredRun, verdict: Verdict, label: str) -> str:
    """The median over the repeats and, where there are several, from where to where they go."""
    metric = stored.run.answer
    if metric == "capacity":
        found = next((one for one in verdict.capacity if one.label == label), None)
        return quantity(found.deliveries_per_second, "count") if found else NOTHING
    values = sorted(value for value in _values(stored, label) if value is not None)
    if not values:
        return NOTHING
    unit = unit_of(metric)
    middle = quantity(median(values), unit)
    return f"{middle} ({quantity(values[0], unit)} to {quantity(values[-1], unit)})" if len(values) > 1 else middle


def _values(stored: StoredRun, label: str) -> list[float | None]:
    return [figure(trial, stored.run.answer) for trial in _judged(stored) if trial.label == label]


def _judged(stored: StoredRun) -> list[Trial]:
    """The trials of which figures are shown, block by block."""
    return sorted((trial for trial in stored.trials if trial.status == "complete"), key=lambda trial: trial.block)


def _ratio(stored: StoredRun) -> str:
    """The second target's figure by the first one's, with its interval where trials were repeated."""
    targets = stored.run.targets
    if len(targets) != 2 or stored.run.answer == "capacity":
        return NOTHING
    a, b = (_values(stored, target.label) for target in targets)
    size = min(len(a), len(b))
    if (ratio := statistics.ratio(a[:size], b[:size])) is None:
        return NOTHING
    if ratio.blocks < 2:
        return f"{ratio.value:.2f}, one trial each"
    finding = statistics.find(ratio, unit_of(stored.run.answer))
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}), {finding}"


def _stopped(verdict: Verdict) -> str:
    stopped = {label: what for label, what in verdict.stopped_by.items() if not what.startswith("nothing")}
    return "; ".join(f"{label}: {what}" for label, what in stopped.items()) or "nothing"


def _ledger(stored: StoredRun) -> str:
    found: Counter[str] = Counter()
    for trial in _judged(stored):
        found.update(trial.ledger.model_dump())
    delivered = sum(trial.denominators.delivered for trial in _judged(stored))
    wrong = [f"{found[kind]:,} {kind.replace('_', ' ').upper()}" for kind in BROKEN if found[kind]]
    allowed = [f"{count:,} {kind.replace('_', ' ')}" for kind, count in found.items() if count and kind not in BROKEN]
    return f"{delivered:,} deliveries: {', '.join([*(wrong or ['nothing wrong']), *allowed])}"
