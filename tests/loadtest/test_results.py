import json
import math
from pathlib import Path

import pytest

from loadtest.bench.report import reason, render, save
from loadtest.bench.results import Bench, Row, Step
from loadtest.plan import SHAPES


def step(rate: float, p99: float = 0.02, **changes: object) -> Step:
    values: dict[str, object] = {
        "rate": rate,
        "planned": 100,
        "sent": 100,
        "deliveries": int(rate * 500),
        "offering": 1.0,
        "elapsed": 1.0,
        "p50": p99 / 2,
        "p99": p99,
        "longest": p99 * 2,
        "measured": 1000,
        "late": 0,
        "lag_p99": 0.001,
        "generator_busy": 0.5,
        "server_cpu": 0.9,
        "redis_cpu": 0.1,
        "others_cpu": 0.0,
        "given_up": False,
        "settled": True,
        "faults": {},
    }
    return Step(**(values | changes))  # type: ignore[arg-type]


def row(*steps: Step, target: str = "async") -> Row:
    fastest = max((one.rate for one in steps if one.held), default=0.0)
    return Row(target, "title", "tandem", SHAPES["one-500"], list(steps), held_rate=fastest)


def test_a_step_is_held_only_whole_and_in_time() -> None:
    assert step(50).held
    assert not step(50, p99=0.1001).held
    assert not step(50, p99=math.nan).held
    assert not step(50, settled=False).held
    assert not step(50, given_up=True).held
    assert not step(50, sent=99).held
    assert not step(50, faults={"refused": 1}).held


def test_the_nearest_steps_that_were_held_and_missed_say_what_is_there_and_why() -> None:
    found = row(step(50), step(400), step(1000, p99=0.5), step(700, p99=0.2), step(500))
    found.held_rate = 560
    assert found.rate == 560 * 500
    assert found.there is not None
    assert found.there.rate == 500
    assert found.quiet is not None
    assert found.quiet.rate == 50
    assert found.missed is not None
    assert reason(found.missed) == "p99 200.0 ms, server CPU 100%"
    assert not found.lower_bound


def test_a_row_of_which_nothing_was_held_says_so() -> None:
    found = row(step(50, p99=0.5))
    assert (found.rate, found.there, found.lower_bound) == (0.0, None, False)
    assert "| none held " in render(Bench("now", {}, [found]))


@pytest.mark.parametrize(
    "changes", [{"generator_busy": 0.95}, {"lag_p99": 0.03}, {"others_cpu": 0.2}], ids=["busy", "late", "disturbed"]
)
def test_a_limit_that_is_not_the_servers_makes_a_lower_bound(changes: dict[str, object]) -> None:
    found = row(step(50), step(400, p99=0.5, **changes))
    assert found.lower_bound
    assert "≥ 25,000" in render(Bench("now", {}, [found]))


def test_a_broken_promise_is_seen_and_fails_the_run(tmp_path: Path) -> None:
    found = row(step(50), step(400, faults={"lost": 3}))
    found.faults.note("lost", 3, "3 in a room")
    bench = Bench("now", {"machine": "this one"}, [row(step(50), target="fastapi-tutorial"), found])
    text = render(bench)
    assert "async BROKEN" in text
    assert "async, one room of 500: 225,000 deliveries: 3 lost" in text
    assert bench.failed
    assert save(bench, tmp_path / "a" / "b.json") == text
    saved = json.loads((tmp_path / "a" / "b.json").read_text())
    assert saved["rows"][1]["broken"]
    assert saved["rows"][1]["held_deliveries_per_second"] == 25_000
    assert saved["rows"][1]["handshake_cpu"] is None


def test_refusals_of_an_overloaded_server_break_no_promise() -> None:
    found = row(step(50), step(400, faults={"refused": 3}))
    found.faults.note("refused", 3, "unavailable")
    assert not found.broken
    assert not Bench("now", {}, [found]).failed


def test_ratio_is_to_the_tutorial_in_the_same_shape() -> None:
    missed = step(4000, p99=0.5)
    text = render(Bench("now", {}, [row(step(50), missed, target="fastapi-tutorial"), row(step(2000), missed)]))
    assert "| 40 " in text


def test_a_target_that_could_not_be_measured_says_why_and_fails_the_run() -> None:
    found = Row("sync", "title", "tandem", SHAPES["one-500"], error="it ended before it was ready")
    bench = Bench("now", {}, [found])
    assert "it ended before it was ready" in render(bench)
    assert bench.failed
