"""What follows from a run: whether it says anything at all, who reached what, and what stopped whom."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from loadtest.outcome.comparison import capacities, compare, crossovers, noise_floor
from loadtest.outcome.figures import broken, figure, unit_of
from loadtest.outcome.format import bounds, quantity
from loadtest.outcome.hypothesis import check, confirmed
from loadtest.record.models import Judged, Objective, Plan, Run, Trial, Verdict

MOST_CPU: Final = 0.8
MOST_LAG: Final = 0.005
MOST_LOOP_LAG: Final = 0.005
MOST_PAUSE: Final = 0.02
LEAST_ACHIEVED: Final = 0.995
DISTURBED: Final = 0.1
"""Part of a CPU that other programs took of those in use."""
BUSY: Final = 0.9
"""Part of a CPU beyond which a process has no more to give."""


def judge(run: Run, plan: Plan, trials: Sequence[Trial], *, interrupted: bool = False) -> Verdict:
    """Return the verdict on what was recorded; nothing else goes into it."""
    trials = [trial for trial in trials if trial.status != "disturbed"]
    reasons = [reason for trial in trials for reason in void_reasons(trial)]
    objectives = [judged for target in run.targets for judged in _judge(target.label, run.objectives, trials)]
    if not reasons and not interrupted:
        comparisons, noise = compare(run, plan, trials), noise_floor(run, trials)
    else:
        comparisons, noise = [], []
    verdict = Verdict(
        validity="void" if reasons else "valid",
        reasons=reasons,
        outcome="pass",
        exit_code=0,
        headline="",
        objectives=[] if reasons else objectives,
        hypothesis=[],
        stopped_by={target.label: stopped_by(_of(target.label, trials)) for target in run.targets},
        comparisons=comparisons,
        noise=noise,
        capacity=[] if reasons else capacities(run, plan, trials),
        crossover=[] if reasons else crossovers(run, plan, trials),
    )
    if not reasons and not interrupted:
        verdict.hypothesis = check(run, trials, verdict)
    nonconforming = [trial for trial in trials if trial.conformance]
    if interrupted:
        verdict.outcome, verdict.exit_code = "interrupted", 130
    elif nonconforming:
        verdict.outcome, verdict.exit_code = "nonconforming", 4
    elif reasons:
        verdict.outcome, verdict.exit_code = "void", 3
    elif not all(judged.held for judged in objectives) or any(trial.status == "failed" for trial in trials):
        verdict.outcome, verdict.exit_code = "missed", 1
    verdict.headline = _headline(run, trials, verdict)
    return verdict


def disturbed(trial: Trial) -> bool:
    """Whether a trial is void and other programs are why: it says nothing of either side, and may be made again."""
    return bool(void_reasons(trial)) and (trial.resources.others_cpu or 0.0) > DISTURBED


def void_reasons(trial: Trial) -> list[str]:
    """Return why the generator, and not the server, may have made the figures of a trial."""
    if trial.status != "complete":
        return []
    health, where = trial.generator, f"{trial.label}, repeat {trial.repeat}"
    planned = sum(phase.planned for phase in trial.phases)
    offered = sum(phase.sent for phase in trial.phases) + trial.ledger.unsent
    limits = [
        (health.cpu > MOST_CPU, f"the generator used {health.cpu:.0%} of its CPU (at most {MOST_CPU:.0%})"),
        ((health.send_lag_p99 or 0) > MOST_LAG, f"it sent {quantity(health.send_lag_p99, 'seconds')} late (p99)"),
        ((health.loop_lag_p99 or 0) > MOST_LOOP_LAG, f"its loop was {quantity(health.loop_lag_p99, 'seconds')} late"),
        (health.gc_pause > MOST_PAUSE, f"it stood still for {quantity(health.gc_pause, 'seconds')} to collect garbage"),
        (health.failures > 0, f"{health.failures} connections could not be tried: no descriptors or ports left"),
        (bool(planned) and offered < LEAST_ACHIEVED * planned, f"only {offered} of {planned} messages were offered"),
    ]
    others = trial.resources.others_cpu or 0.0
    beside = f", while other programs took {others:.0%} of a CPU" if others > DISTURBED else ""
    return [f"{where}: {text}{beside}" for exceeded, text in limits if exceeded]


def stopped_by(trials: Iterable[Trial]) -> str:
    """Return what had no more to give, in words."""
    found: list[str] = []
    for trial in trials:
        if trial.error:
            found.append(trial.error)
        elif void_reasons(trial):
            found.append("the generator")
        elif limit := _limit(trial):
            found.append(limit)
    return max(set(found), key=found.count) if found else "nothing: no limit was reached"


def _limit(trial: Trial) -> str:
    resources = trial.resources
    if (resources.redis_cpu or 0) > BUSY:
        return f"Redis ({resources.redis_cpu:.0%} of a CPU)"
    if (resources.server_cpu or 0) > BUSY:
        what = "the interpreter's lock, or one core" if (resources.threads_max or 0) > 16 else "one core"
        return f"{what} ({resources.server_cpu:.0%} of a CPU)"
    if refused := sum(count for close, count in trial.closes.items() if close == "HTTP 503"):
        return f"the limit of connections: {refused} handshakes were refused with 503"
    return ""


def _judge(label: str, objectives: Iterable[Objective], trials: Iterable[Trial]) -> Iterable[Judged]:
    own = [trial for trial in _of(label, trials) if trial.status == "complete"]
    for objective in objectives:
        values = [value for trial in own if (value := figure(trial, objective.metric)) is not None]
        value = median(values) if values else None
        held = value is not None and (
            (objective.at_most is None or value <= objective.at_most)
            and (objective.at_least is None or value >= objective.at_least)
        )
        yield Judged(
            label=label,
            name=objective.name,
            metric=objective.metric,
            value=value,
            limit=_limit_text(objective),
            held=held,
        )


def _limit_text(objective: Objective) -> str:
    return bounds(objective.at_least, objective.at_most, unit_of(objective.metric))


def _headline(run: Run, trials: Sequence[Trial], verdict: Verdict) -> str:
    if verdict.outcome == "interrupted":
        return f"Interrupted after {len(trials)} of {len(run.order)} trials: no verdict."
    if verdict.outcome == "nonconforming":
        wrong = next(trial for trial in trials if trial.conformance)
        return f"Not measured: {wrong.label} does not conform: {wrong.conformance[0]}"
    if verdict.validity == "void":
        return f"VOID: the generator was the limit, so there are no figures. {verdict.reasons[0]}."
    parts = []
    for target in run.targets:
        own = [trial for trial in _of(target.label, trials) if trial.status == "complete"]
        parts.append(_figures_line(target.label, own) if own else f"{target.label}: {_error(target.label, trials)}")
    findings = [one for one in verdict.comparisons if one.phase is None]
    different = [f"{one.metric} ({one.better} is better)" for one in findings if one.finding == "difference"]
    if different:
        parts.append("difference in " + ", ".join(different))
    elif any(one.finding in ("no detectable difference", "within noise") for one in findings):
        parts.append("no detectable difference")
    if hypothesis := confirmed(verdict.hypothesis):
        parts.append(f"hypothesis {hypothesis}")
    return "; ".join(parts) + "."


def _figures_line(label: str, trials: Sequence[Trial]) -> str:
    def middle(metric: str) -> float | None:
        values = [value for trial in trials if (value := figure(trial, metric)) is not None]
        return median(values) if values else None

    rate, p50, p99 = middle("deliveries_per_second"), middle("delivery_p50"), middle("delivery_p99")
    wrong = sum(broken(trial) for trial in trials)
    ledger = f"{wrong} deliveries WRONG" if wrong else "nothing lost, doubled or out of order"
    if not rate:
        return f"{label}: {quantity(middle('members_max'), 'count')} members, {ledger}"
    latency = f"p50 {quantity(p50, 'seconds')}, p99 {quantity(p99, 'seconds')}"
    return f"{label}: {quantity(rate, 'count')} deliveries/s, {latency}, {ledger}"


def _error(label: str, trials: Sequence[Trial]) -> str:
    return next((trial.error for trial in _of(label, trials) if trial.error), "no trial")


def _of(label: str, trials: Iterable[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.label == label]
