"""A stored run as text for people, in Markdown."""

from collections.abc import Iterable, Sequence
from statistics import median

from loadtest.outcome.comparison import METRICS
from loadtest.outcome.figures import unit_of
from loadtest.outcome.format import quantity
from loadtest.record.directory import StoredRun
from loadtest.record.markdown import bullets, table
from loadtest.record.models import Checked, Compared, Latency, Trial, Verdict

FIGURES = (
    "members_max",
    "deliveries_per_second",
    "delivery_p50",
    "delivery_p99",
    "delivery_max",
    "uncorrected_p99",
    "first_p50",
    "median_p50",
    "last_p50",
    "last_p99",
    "handshake_p99",
    "http_p99",
    "reach",
    "server_cpu",
    "cpu_per_delivery",
    "rss_per_connection",
    "rss_max",
    "threads_max",
    "scheduler_lag_p99",
    "seconds_below_95",
    "seconds_without_delivery",
    "imbalance",
    "rss_slope",
    "ghost_seconds",
)
"""Shown in this order: the median over the repeats."""


def render(stored: StoredRun) -> str:
    """Return the whole report. A run that is void shows why, and no figure."""
    run, verdict = stored.run, stored.verdict
    parts = [f"# {run.scenario}: {run.id}"]
    if verdict is None:
        return "\n\n".join([*parts, f"No verdict: the run is {run.status}."]) + "\n"
    parts += [f"**{verdict.outcome.upper()}** (exit code {verdict.exit_code}). {verdict.headline}"]
    parts += [bullets([("Question", run.question), ("Hypothesis", run.hypothesis), ("Expected", run.picture)])]
    if verdict.validity == "void":
        parts += ["## Why it is void", bullets(("", reason) for reason in verdict.reasons)]
    elif stored.trials:
        parts += _figures(stored, verdict)
    parts += ["## Ledger", _ledger(stored)]
    if any(event.kind == "fault" for event in stored.events):
        parts += ["## Faults", _faults(stored)]
    parts += ["## Fairness", _fairness(stored), "## Circumstances", bullets(stored.environment.items())]
    parts += [f"Plan: {stored.plan.posts:,} messages, {stored.plan.actions:,} actions, SHA-256 {stored.plan.digest}."]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_comparison(stored: Sequence[StoredRun]) -> str:
    """Return the figures of several runs side by side; one that is void, or of another plan, says so instead."""
    columns = [(one, target.label) for one in stored for target in one.run.targets]
    rows = [("figure", *(f"{label} of {one.run.id}" for one, label in columns))]
    rows.append(("outcome", *(one.verdict.outcome if one.verdict else "none" for one, _ in columns)))
    rows.append(("plan", *(one.plan.digest[:12] for one, _ in columns)))
    for metric in FIGURES:
        values = [_shown(one, label, metric) for one, label in columns]
        if any(value is not None for value in values):
            rows.append((metric, *(quantity(value, unit_of(metric)) for value in values)))
    parts = ["# Runs side by side", table(rows)]
    if len({one.plan.digest for one in stored}) > 1:
        parts.append("The plans differ: what is compared here was not asked the same.")
    parts.append(
        "Trials of different runs were not interleaved, so there are no intervals: `run` several targets to have them."
    )
    return "\n\n".join(parts) + "\n"


def _shown(stored: StoredRun, label: str, metric: str) -> float | None:
    valid = stored.verdict is not None and stored.verdict.validity == "valid"
    return _middle(stored.trials, label, metric) if valid else None


def _figures(stored: StoredRun, verdict: Verdict) -> list[str]:
    labels = [target.label for target in stored.run.targets]
    rows = [("figure", *labels)]
    for metric in FIGURES:
        values = [_middle(stored.trials, label, metric) for label in labels]
        if any(value is not None for value in values):
            rows.append((metric, *(quantity(value, unit_of(metric)) for value in values)))
    parts = ["## Figures", table(rows)]
    if verdict.hypothesis:
        parts += ["## Hypothesis", _hypothesis(verdict.hypothesis)]
    judged = [
        (one.label, one.name, one.limit, quantity(one.value, unit_of(one.metric)), _held(one.held))
        for one in verdict.objectives
    ]
    parts += ["## Objectives", table([("target", "objective", "limit", "found", ""), *judged])]
    if len([phase for phase in stored.plan.phases if phase.measured]) > 1:
        parts += ["## Phases", _phases(stored, labels)]
    if verdict.comparisons:
        parts += ["## Comparison", _compared(verdict.comparisons)]
    if verdict.noise and len(labels) > 2:
        parts += ["## Noise floor: the same target against itself", _compared(verdict.noise)]
    parts += [f"- {one.text}" for one in verdict.crossover]
    parts += [
        f"- capacity of {one.label}: {one.phase or 'none of the steps was held'}"
        + (f", {one.deliveries_per_second:,.0f} deliveries/s" if one.deliveries_per_second else "")
        + f"; beyond: {one.limit}"
        for one in verdict.capacity
    ]
    parts += ["## What stopped it", bullets(verdict.stopped_by.items())]
    return parts


def _hypothesis(checked: Iterable[Checked]) -> str:
    said = {True: "confirmed", False: "NOT CONFIRMED", None: "not to be seen here"}
    rows = [(one.text, one.expected, one.found, said[one.held]) for one in checked]
    return table([("part", "expected", "found", ""), *rows])


def _phases(stored: StoredRun, labels: Sequence[str]) -> str:
    asked = any(one.latency.http.count for trial in stored.trials for one in trial.phases)
    columns = ["deliveries/s", "p50", "p99", *(["HTTP p50", "HTTP p99"] if asked else [])]
    rows = [("phase", "messages/s", *(f"{label}: {column}" for label in labels for column in columns))]
    for phase in (phase for phase in stored.plan.phases if phase.measured):
        cells = [phase.name, f"{phase.rate:,.0f}" if phase.rate >= 10 else f"{phase.rate:.3g}"]
        for label in labels:
            own = [trial for trial in stored.trials if trial.label == label and trial.status == "complete"]
            results = [one for trial in own for one in trial.phases if one.name == phase.name]
            rate = [one.deliveries / one.seconds for one in results]
            cells += [f"{median(rate):,.0f}" if rate else "–"]
            for kind in ("delivery", "http") if asked else ("delivery",):
                cells += [_middle_of([getattr(one.latency, kind) for one in results], name) for name in ("p50", "p99")]
        rows.append(tuple(cells))
    return table(rows)


def _middle_of(records: Sequence[Latency], name: str) -> str:
    values = [value for one in records if (value := getattr(one, name)) is not None]
    return quantity(median(values) if values else None, "seconds")


def _compared(rows: Iterable[Compared]) -> str:
    found = [("figure", "phase", "a", "b", "a", "b", "b / a", "95 % interval", "finding")]
    for row in rows:
        unit = METRICS[row.metric]
        between = f"{row.low:.3f} – {row.high:.3f}" if row.low is not None and row.high is not None else "–"
        finding = f"{row.finding}: {row.better} is better" if row.better else row.finding
        ratio = f"{row.ratio:.3f}" if row.ratio is not None else "–"
        found.append(
            (
                row.metric,
                row.phase or "all",
                row.a,
                row.b,
                quantity(row.value_a, unit),
                quantity(row.value_b, unit),
                ratio,
                between,
                finding,
            )
        )
    return table(found)


def _ledger(stored: StoredRun) -> str:
    lines: list[tuple[str, str]] = []
    for trial in stored.trials:
        found = {kind: count for kind, count in trial.ledger.model_dump().items() if count}
        said = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in found.items())
        counts = trial.denominators
        lines.append(
            (
                f"{trial.label}, repeat {trial.repeat}",
                f"{counts.delivered:,} deliveries of {counts.connected:,} to connected and {counts.intended:,} to "
                f"intended members: {said or 'nothing wrong'}",
            )
        )
        lines += [("", f"{loss.deliveries:,} missed, {loss.cause}: {loss.detail}") for loss in trial.losses]
        lines += [("", example[:200]) for example in trial.examples[:3]]
        if trial.error:
            lines.append(("", trial.error))
        if trial.status == "disturbed":
            lines.append(
                ("", f"disturbed by other programs ({trial.resources.others_cpu:.0%} of a CPU), and made again")
            )
    return bullets(lines)


def _faults(stored: StoredRun) -> str:
    faults = [event for event in stored.events if event.kind == "fault"]
    return bullets(
        (
            f"{event.label}, repeat {event.repeat}",
            f"{event.name} at {event.t:.1f} s"
            + (f" until {event.until:.1f} s" if event.until is not None else "")
            + (f" {event.detail}" if event.detail else ""),
        )
        for event in faults
    )


def _fairness(stored: StoredRun) -> str:
    labels = [target.label for target in stored.run.targets]
    rows = [("setting", *labels, "why")]
    for row in stored.fairness.settings:
        values = (row.values.get(label, "–") for label in labels)
        rows.append((row.name if row.equal else f"{row.name} (differs)", *values, row.why))
    return table(rows)


def _middle(trials: Iterable[Trial], label: str, metric: str) -> float | None:
    own = (trial for trial in trials if trial.label == label and trial.status == "complete")
    values = [value for trial in own if (value := trial.figures.get(metric)) is not None]
    return median(values) if values else None


def _held(held: bool) -> str:
    return "held" if held else "MISSED"
