"""Whether a hypothesis was right, and what of a run goes into one row of a table of several."""

from pathlib import Path
from typing import Any

import pytest

from loadtest.outcome.judge import judge
from loadtest.record.directory import DamagedRunError, RunWriter, StoredRun, run_directories
from loadtest.record.models import Checked, Expectation, Fairness, Ledger, Run, Trial
from loadtest.record.summary import summarize
from loadtest.record.tables import render
from loadtest.scenario import Scenario, expect
from loadtest.scenarios import scenarios
from tests.loadtest.test_outcome import HEALTHY, PLAN, STEPS, phase, run_of, trial


def checked(trials: list[Trial], *expectations: Expectation, targets: tuple[str, ...] = ("a", "b")) -> list[Checked]:
    run = run_of(*targets).model_copy(update={"expectations": list(expectations)})
    return judge(run, PLAN, trials).hypothesis


class TestHypothesis:
    TRIALS = (trial("a", p99=0.01), trial("b", p99=0.03))

    def one(self, expectation: Expectation) -> Checked:
        (found,) = checked(list(self.TRIALS), expectation)
        return found

    def test_what_was_expected_and_found_is_confirmed(self) -> None:
        found = self.one(expect("fast", "delivery_p99", "a", at_most=0.02))
        assert found == Checked(text="fast", found="10 ms", expected="at most 20 ms", held=True)

    def test_what_was_expected_and_not_found_is_not(self) -> None:
        assert self.one(expect("fast", "delivery_p99", "b", at_most=0.02)).held is False

    def test_each_means_the_worst(self) -> None:
        found = self.one(expect("fast", "delivery_p99", at_most=0.02))
        assert (found.held, found.found) == (False, "30 ms")

    def test_a_ratio_is_that_of_two_labels(self) -> None:
        found = self.one(expect("slower", "delivery_p99", "b", "a", at_least=2, at_most=4))
        assert (found.held, found.found, found.expected) == (True, "3.00 ×", "2.00 × to 4.00 ×")

    def test_a_phase_is_looked_at_alone_and_against_another(self) -> None:
        phases = [phase(step.name, 0.01 if place else 0.1) for place, step in enumerate(STEPS)]
        trials = [trial("a", phases=phases)]
        first, second = STEPS[0].name, STEPS[1].name
        alone = expect("slow", "delivery_p99", "a", phase=first, at_least=0.09)
        against = expect("slow", "delivery_p99", "a", phase=first, over_phase=second, at_least=9)
        assert [one.held for one in checked(trials, alone, against, targets=("a",))] == [True, True]

    def test_what_was_not_measured_could_not_be_seen(self) -> None:
        absent = expect("fast", "delivery_p99", "c", at_most=1)
        unknown = expect("fast", "ghost_seconds", at_most=1)
        assert [one.held for one in checked(list(self.TRIALS), absent, unknown)] == [None, None]

    def test_kinds_of_the_ledger_and_what_the_server_counted_are_figures(self) -> None:
        found = trial("a", ledger=Ledger(refused=3), counters={"chat_slow_consumers_total": 2.0})
        expectations = [expect("", "refused", at_most=2), expect("", "chat_slow_consumers_total", at_least=1)]
        assert [one.held for one in checked([found], *expectations, targets=("a",))] == [False, True]

    def test_a_void_run_says_nothing_of_it(self) -> None:
        late = HEALTHY.model_copy(update={"send_lag_p99": 0.006})
        assert not checked([trial("a", generator=late)], expect("fast", "delivery_p99", "a", at_most=1))

    def test_the_headline_says_so_and_the_outcome_does_not_change(self) -> None:
        run = run_of("a").model_copy(update={"expectations": [expect("faster than light", "delivery_p99", at_most=0)]})
        verdict = judge(run, PLAN, [trial("a")])
        assert verdict.exit_code == 0
        assert "hypothesis not confirmed: faster than light (found 10 ms, expected at most 0 ms)" in verdict.headline


@pytest.mark.parametrize("scenario", scenarios().values(), ids=lambda scenario: scenario.name)
def test_every_hypothesis_can_be_looked_up(scenario: Scenario) -> None:
    phases = {phase.name for phase in scenario.workload.phases}
    assert scenario.expects
    for one in scenario.expects:
        assert {one.phase, one.over_phase} - {None} <= phases, one
        assert {one.of, one.over} <= {"each", None, *scenario.targets}, one
        assert (one.at_least, one.at_most) != (None, None), one


def stored(path: Path, trials: list[Trial], **changes: Any) -> Path:
    run: Run = run_of("a", "b").model_copy(update={"scenario": path.name} | changes)
    with RunWriter(path) as writer:
        writer.write("run.json", run)
        writer.write("plan.json", PLAN)
        writer.write("fairness.json", Fairness(settings=[]))
        writer.write_environment({})
        for one in trials:
            writer.append("trials.jsonl", one)
        if run.status != "running":
            writer.write("verdict.json", judge(run, PLAN, trials, interrupted=run.status == "interrupted"))
    return path


def cells(text: str) -> list[dict[str, str]]:
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


class TestSummary:
    def test_a_row_says_what_came_out(self, tmp_path: Path) -> None:
        pairs = [trial(label, n, p99) for n in range(5) for label, p99 in (("a", 0.010 + n / 1000), ("b", 0.040))]
        expectations = [expect("alike", "delivery_p99", "b", "a", at_most=2)]
        run = stored(tmp_path / "fanout", pairs, expectations=expectations)
        (row,) = cells(summarize([StoredRun.read(run)]))
        assert (row["scenario"], row["question"], row["verdict"]) == ("fanout", "?", "pass")
        assert (row["figure"], row["a"], row["b"]) == (
            "delivery p99",
            "12 ms (10 ms to 14 ms)",
            "40 ms (40 ms to 40 ms)",
        )
        assert row["ratio"].endswith("), difference")
        assert row["hypothesis"] == "not confirmed: alike (found 3.33 ×, expected at most 2.00 ×)"
        assert (row["stopped by"], row["ledger"]) == ("nothing", "10,000 deliveries: nothing wrong")

    def test_what_is_broken_and_missed_is_said_in_the_row(self, tmp_path: Path) -> None:
        trials = [trial("a", ledger=Ledger(lost=2, refused=1)), trial("b", p99=0.3)]
        (row,) = cells(summarize([StoredRun.read(stored(tmp_path / "x", trials))]))
        assert row["verdict"].startswith("missed: a: nothing lost")
        assert "b: 99 % of deliveries in time" in row["verdict"]
        assert row["ledger"] == "2,000 deliveries: 2 LOST, 1 refused"
        assert row["ratio"] == "30.00, one trial each"

    def test_a_void_or_unfinished_run_shows_no_figure(self, tmp_path: Path) -> None:
        late = HEALTHY.model_copy(update={"send_lag_p99": 0.006})
        void = stored(tmp_path / "1", [trial("a", generator=late), trial("b")])
        going = stored(tmp_path / "2", [trial("a")], status="running")
        broken_off = stored(tmp_path / "3", [trial("a")], status="interrupted")
        rows = cells(summarize([StoredRun.read(path) for path in (void, going, broken_off)]))
        assert [row["verdict"].partition(":")[0] for row in rows] == ["void", "none", "interrupted"]
        assert "6 ms late" in rows[0]["verdict"]
        assert {row[label] for row in rows for label in ("figure", "a", "b", "ratio")} == {"–"}

    def test_the_figure_is_the_one_that_answers(self, tmp_path: Path) -> None:
        trials = [trial(label, figures={"imbalance": value}) for label, value in (("a", 1.25), ("b", 1.5))]
        (row,) = cells(summarize([StoredRun.read(stored(tmp_path / "x", trials, answer="imbalance"))]))
        assert (row["a"], row["b"], row["ratio"]) == ("1.25 ×", "1.50 ×", "1.20, one trial each")
        steps = stored(tmp_path / "y", [trial("a"), trial("b")], answer="capacity")
        (row,) = cells(summarize([StoredRun.read(steps)]))
        assert (row["figure"], row["a"]) == ("deliveries/s held", "100")

    def test_a_directory_of_runs_is_all_of_them(self, tmp_path: Path) -> None:
        one, two = (stored(tmp_path / name, [trial("a"), trial("b")]) for name in "12")
        assert run_directories(tmp_path) == [one, two]
        assert run_directories(one) == [one]
        with pytest.raises(DamagedRunError):
            StoredRun.read(*run_directories(tmp_path / "none"))


def test_the_report_says_what_was_not_confirmed(tmp_path: Path) -> None:
    expectations = [expect("light", "delivery_p99", "a", at_most=0), expect("night", "delivery_p99", "c", at_most=1)]
    report = render(StoredRun.read(stored(tmp_path / "x", [trial("a"), trial("b")], expectations=expectations)))
    assert "| light | at most 0 ms | 10 ms   | NOT CONFIRMED       |" in report
    assert "| night | at most 1 s  | nothing | not to be seen here |" in report
