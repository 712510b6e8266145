"""What other tools say of the same, and Locust as who conducts our processes."""

import json
import math
import sys
import time
from pathlib import Path

import pytest

from loadtest import opinion
from loadtest.conductor.by_locust import LOCUST, LocustFleet
from loadtest.crew.orders import moment
from loadtest.opinion import MEMBERS, Opinion, together
from tests.loadtest.test_run import loadtest, measured

locust = pytest.mark.skipif(not LOCUST.exists(), reason="`make locust` installs it")


def said(p50: float, sent: int = 100, deliveries: int | None = None, tool: str = "Locust") -> Opinion:
    return Opinion(tool, sent, sent * MEMBERS if deliveries is None else deliveries, p50, 10 * p50)


def test_tools_agree_that_saw_everything_and_a_median_like_ours() -> None:
    ours = said(0.010, tool="loadtest")
    assert said(0.0129).agrees(ours)
    assert said(0.0071).agrees(ours)
    assert not said(0.0131).agrees(ours)
    assert not said(0.010, deliveries=100 * MEMBERS - 1).agrees(ours)
    assert not said(math.nan).agrees(ours)
    assert said(0.125).agrees(said(0.1)), "30 % where that is more"


def test_what_disturbed_one_turn_does_not_count() -> None:
    found = together([said(0.05), said(0.008), said(0.02, deliveries=7)])
    assert (found.p50, found.p99) == (0.008, 0.08)
    assert (found.sent, found.deliveries) == (300, 200 * MEMBERS + 7)


@pytest.mark.parametrize(
    ("prints", "sent"), [("Some words first\n{}", 40), ("no result", 0), ("", 0)], ids=["result", "words", "nothing"]
)
def test_a_tool_is_told_what_to_do_and_its_last_word_is_read(prints: str, sent: int) -> None:
    result = {"sent": 40, "deliveries": 840, "p50": 0.004, "p99": 0.01}
    printed = prints.replace("{}", json.dumps(result))
    script = f"import os, json; assert json.loads(os.environ['OPINION'])['messages'] == 40; print({printed!r})"
    found = opinion._told("k6", [sys.executable, "-c", script], ("127.0.0.1", 1), 2.0)
    assert found.sent == sent
    assert math.isnan(found.p50) == (sent == 0)


def test_a_moment_of_another_machine_is_told_by_the_time_of_day() -> None:
    """Its monotonic clock began when that machine did."""
    in_a_second = {"do": "begin", "at": 5.0, "wall": time.time() + 1}
    assert moment(in_a_second) == pytest.approx(time.monotonic() + 1, abs=0.1)
    assert moment({"do": "begin", "at": 5.0}) == 5.0


def test_locust_carries_the_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, float]] = []
    fleet = object.__new__(LocustFleet)
    fleet._told_jobs = True
    monkeypatch.setattr(LocustFleet, "_write", lambda self, order: told.append(order))
    fleet.tell({"do": "begin", "at": time.monotonic() + 1})
    assert told[0]["wall"] == pytest.approx(time.time() + 1, abs=0.1)


@pytest.mark.slow
@locust
def test_workers_of_locust_play_the_plan_between_them(tmp_path: Path) -> None:
    arguments = ["--target", "async", "--connections", "20", "--duration", "3", "--locust", "2"]
    stored = measured(tmp_path, "fanout", *arguments)
    (trial,) = stored.trials
    assert not any(trial.ledger.model_dump().values()), trial.examples
    assert trial.denominators.delivered == stored.plan.posts * 20
    assert sum(phase.latency.last.count for phase in trial.phases) == 2 * stored.plan.posts, "once per process"


@pytest.mark.slow
@locust
def test_locust_sees_every_delivery_that_we_see() -> None:
    """Whether the medians agree is not asserted here: the machine may be busy."""
    done = loadtest("opinion", "--target", "sync", "--duration", "6")
    assert done.returncode in (0, 1), done.stderr
    rows = {line.split()[0]: line.split()[1:3] for line in done.stdout.splitlines()[1:3]}
    for tool in ("loadtest", "Locust"):
        sent, deliveries = map(int, rows[tool])
        assert sent >= 3 * 39, tool
        assert deliveries == sent * MEMBERS, tool
