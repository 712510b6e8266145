"""What follows from a run: intervals, comparisons and verdicts, on figures made up for it."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from loadtest.conductor.experiment import plan_of
from loadtest.conductor.merge import added, health, histogram, latency
from loadtest.histogram import Histogram
from loadtest.outcome import statistics
from loadtest.outcome.judge import disturbed, judge, void_reasons
from loadtest.record.models import (
    Denominators,
    GeneratorHealth,
    Latency,
    Ledger,
    Percentiles,
    PhaseResult,
    Resources,
    Run,
    TargetRecord,
    Trial,
)
from loadtest.scenario import NOTHING_BROKEN, p99_within
from loadtest.scenarios import scenarios
from loadtest.schedule import make_schedule

SCENARIO = scenarios()["ramp"]
PLAN = plan_of(SCENARIO, make_schedule(SCENARIO.workload, 1))
STEPS = [phase for phase in PLAN.phases if phase.measured]
HEALTHY = GeneratorHealth(cpu=0.2, send_lag_p99=0.001, loop_lag_p99=0.001, gc_pause=0.001)


def times(seconds: float, count: int = 1000) -> Latency:
    found = Histogram()
    found.record(seconds, count)
    return latency(found)


def phase(name: str, p99: float) -> PhaseResult:
    empty = dict.fromkeys(Percentiles.model_fields, Latency())
    return PhaseResult(
        name=name,
        planned=100,
        sent=100,
        acknowledged=100,
        deliveries=1000,
        seconds=10,
        latency=Percentiles(**{**empty, "delivery": times(p99)}),
    )


def trial(label: str, repeat: int = 0, p99: float = 0.01, **changes: Any) -> Trial:
    fields: dict[str, Any] = {
        "label": label,
        "repeat": repeat,
        "block": repeat,
        "began": 0.0,
        "seconds": 10.0,
        "status": "complete",
        "conformance": [],
        "phases": [phase(step.name, p99) for step in STEPS],
        "ledger": Ledger(),
        "examples": [],
        "denominators": Denominators(intended=1000, connected=1000, delivered=1000),
        "losses": [],
        "closes": {},
        "resources": Resources(**dict.fromkeys(Resources.model_fields)),
        "generator": HEALTHY,
        "counters": {},
        "figures": {"delivery_p99": p99, "delivery_p50": p99 / 2, "deliveries_per_second": 100.0},
    }
    return Trial(**{**fields, **changes})


def run_of(*targets: str) -> Run:
    labels = [name if place == targets.index(name) else f"{name}-2" for place, name in enumerate(targets)]
    return Run(
        id="x",
        scenario="ramp",
        question="?",
        hypothesis="!",
        picture=".",
        command=[],
        began=0.0,
        status="complete",
        seed=1,
        repeats=5,
        targets=[
            TargetRecord(label=label, target=name, title="", model="other")
            for label, name in zip(labels, targets, strict=True)
        ],
        order=[],
        objectives=[NOTHING_BROKEN, p99_within(0.1)],
    )


def paired(a: Callable[[int], float], b: Callable[[int], float], names: tuple[str, str] = ("a", "b")) -> list[Trial]:
    labels = names if names[0] != names[1] else (names[0], f"{names[0]}-2")
    return [trial(label, block, of(block)) for block in range(5) for label, of in zip(labels, (a, b), strict=True)]


class TestVerdict:
    def test_what_holds_passes(self) -> None:
        verdict = judge(run_of("a"), PLAN, [trial("a")])
        assert (verdict.outcome, verdict.exit_code, verdict.validity) == ("pass", 0, "valid")

    def test_an_objective_that_is_missed_is_1(self) -> None:
        verdict = judge(run_of("a"), PLAN, [trial("a", p99=0.2)])
        assert (verdict.outcome, verdict.exit_code) == ("missed", 1)
        assert [one.held for one in verdict.objectives] == [True, False]

    @pytest.mark.parametrize("kind", ["lost", "duplicated", "reordered", "corrupt", "foreign", "unanswered"])
    def test_one_wrong_delivery_is_missed(self, kind: str) -> None:
        verdict = judge(run_of("a"), PLAN, [trial("a", ledger=Ledger(**{kind: 1}))])
        assert (verdict.outcome, verdict.exit_code) == ("missed", 1)
        assert "1 deliveries WRONG" in verdict.headline

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("cpu", 0.81, "of its CPU"),
            ("send_lag_p99", 0.006, "late (p99)"),
            ("loop_lag_p99", 0.006, "its loop"),
            ("gc_pause", 0.021, "collect garbage"),
            ("failures", 1, "descriptors or ports"),
        ],
    )
    def test_a_generator_at_its_limit_voids_the_run_and_every_figure(self, field: str, value: float, said: str) -> None:
        found = trial("a", generator=HEALTHY.model_copy(update={field: value}))
        verdict = judge(run_of("a"), PLAN, [found])
        assert (verdict.outcome, verdict.exit_code, verdict.validity) == ("void", 3, "void")
        assert said in verdict.reasons[0]
        assert "100" not in verdict.headline
        assert not verdict.objectives
        assert not verdict.comparisons
        assert not verdict.capacity

    def test_a_plan_that_was_not_offered_voids_the_run(self) -> None:
        short = [one.model_copy(update={"sent": 99}) for one in trial("a").phases]
        assert "were offered" in void_reasons(trial("a", phases=short))[0]
        kept = trial("a", phases=short, ledger=Ledger(unsent=len(short)))
        assert not void_reasons(kept), "whose connection was gone could not be offered to: the server's doing"

    def test_what_others_disturbed_is_told_from_what_the_generator_could_not_do(self) -> None:
        late = HEALTHY.model_copy(update={"send_lag_p99": 0.006})
        nothing: dict[str, Any] = dict.fromkeys(Resources.model_fields)
        busy = Resources(**{**nothing, "others_cpu": 0.2})
        assert disturbed(trial("a", generator=late, resources=busy))
        assert not disturbed(trial("a", generator=late))
        assert not disturbed(trial("a", resources=busy)), "it was measured all the same"

    def test_a_trial_that_was_made_again_is_not_judged(self) -> None:
        late = HEALTHY.model_copy(update={"send_lag_p99": 0.006})
        trials = [trial("a", status="disturbed", generator=late), trial("a", repeat=1)]
        assert judge(run_of("a"), PLAN, trials).exit_code == 0

    def test_what_does_not_conform_is_not_measured(self) -> None:
        verdict = judge(run_of("a"), PLAN, [trial("a", status="failed", conformance=["it says no"])])
        assert (verdict.outcome, verdict.exit_code) == ("nonconforming", 4)

    def test_an_interrupted_run_has_no_verdict(self) -> None:
        assert judge(run_of("a", "b"), PLAN, [trial("a")], interrupted=True).outcome == "interrupted"


class TestComparison:
    def find(self, trials: list[Trial], *targets: str) -> dict[str, str]:
        rows = judge(run_of(*targets), PLAN, trials).comparisons
        return {row.metric: row.finding for row in rows if row.phase is None}

    def test_twice_as_slow_in_every_block_is_a_difference(self) -> None:
        trials = paired(lambda block: 0.010 + block / 1000, lambda block: 0.022 + block / 1000)
        assert self.find(trials, "a", "b")["delivery_p99"] == "difference"
        assert judge(run_of("a", "b"), PLAN, trials).comparisons[1].better == "a"

    def test_the_same_with_noise_is_none(self) -> None:
        dice = random.Random(1)
        trials = paired(lambda _: dice.uniform(0.010, 0.015), lambda _: dice.uniform(0.010, 0.015), ("a", "a"))
        verdict = judge(run_of("a", "a"), PLAN, trials)
        assert {row.finding for row in verdict.comparisons} == {"no detectable difference"}
        assert "no detectable difference" in verdict.headline

    def test_less_than_five_percent_is_none_however_sure(self) -> None:
        trials = paired(lambda block: 0.100 + block / 1000, lambda block: 1.04 * (0.100 + block / 1000))
        assert self.find(trials, "a", "b")["delivery_p99"] == "no detectable difference"

    def test_less_than_the_instrument_can_see_is_none(self) -> None:
        assert set(self.find(paired(lambda _: 0.0010, lambda _: 0.0015), "a", "b").values()) == {
            "no detectable difference"
        }

    def test_few_repeats_say_nothing(self) -> None:
        trials = paired(lambda _: 0.01, lambda _: 0.03)[:4]
        assert set(self.find(trials, "a", "b").values()) == {"not enough repeats"}

    def test_a_difference_within_that_of_a_target_from_itself_is_noise(self) -> None:
        trials = paired(lambda _: 0.010, lambda _: 0.013)
        noisy = [trial("a-2", block, 0.010 * (1 + block % 2)) for block in range(5)]
        assert self.find(trials + noisy, "a", "a", "b")["delivery_p99"] == "within noise"

    def test_capacity_is_the_last_step_that_was_held(self) -> None:
        steps = [phase(step.name, 0.01 if place < 3 else 0.3) for place, step in enumerate(STEPS)]
        (found,) = judge(run_of("a"), PLAN, [trial("a", phases=steps)]).capacity
        assert (found.phase, found.rate) == (STEPS[2].name, STEPS[2].rate)
        assert found.limit == f"{STEPS[3].name}: p99 300 ms"

    def test_the_crossover_is_the_step_from_which_on_one_is_better(self) -> None:
        def steps(slow: float) -> list[PhaseResult]:
            return [phase(step.name, 0.01 if place < 2 else slow) for place, step in enumerate(STEPS)]

        trials = [
            trial(label, block, phases=steps(slow)) for block in range(5) for label, slow in [("a", 0.02), ("b", 0.05)]
        ]
        (found,) = judge(run_of("a", "b"), PLAN, trials).crossover
        assert (found.phase, found.better) == (STEPS[2].name, "a")


class TestInterval:
    def test_it_holds_the_mean_and_grows_with_the_spread(self) -> None:
        narrow = statistics.interval([1.0, 1.1, 0.9, 1.05, 0.95], 1)
        wide = statistics.interval([1.0, 2.0, 0.1, 1.5, 0.4], 1)
        assert narrow[0] < 1.0 < narrow[1]
        assert wide[0] < narrow[0] < narrow[1] < wide[1]

    def test_the_true_value_lies_inside_nearly_always(self) -> None:
        dice = random.Random(9)
        inside = 0
        for seed in range(100):
            low, high = statistics.interval([dice.gauss(0, 1) for _ in range(8)], seed)
            inside += low <= 0 <= high
        assert inside >= 90  # of 100; 95 are promised

    def test_one_value_says_nothing(self) -> None:
        assert statistics.interval([1.0], 1) == (-math.inf, math.inf)

    def test_the_same_run_gives_the_same_interval(self) -> None:
        assert statistics.interval([1.0, 1.2, 0.8, 1.1], 1) == statistics.interval([1.0, 1.2, 0.8, 1.1], 1)


def test_histograms_of_several_processes_are_added_without_loss() -> None:
    dice = random.Random(2)
    values = [dice.expovariate(100) for _ in range(5000)]
    whole, parts = Histogram(), [Histogram(), Histogram()]
    for place, value in enumerate(values):
        whole.record(value)
        parts[place % 2].record(value)
    merged = added([latency(part) for part in parts])
    assert (merged.counts, merged.count, merged.longest) == (whole.counts, whole.count, whole.longest)
    assert histogram(latency(whole)).percentile(99) == whole.percentile(99)


def test_no_seconds_are_no_health() -> None:
    assert health([], 0.0).send_lag_p99 is None


def test_phases_that_do_not_ask_for_more_have_no_capacity_and_no_crossover() -> None:
    same = PLAN.model_copy(update={"phases": [one.model_copy(update={"rate": 50.0}) for one in PLAN.phases]})
    verdict = judge(run_of("a", "b"), same, paired(lambda _: 0.01, lambda _: 0.02))
    assert not verdict.capacity
    assert not verdict.crossover
    assert any(row.phase for row in verdict.comparisons)
