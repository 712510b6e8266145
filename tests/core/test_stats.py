"""What a process tells about itself is what its registry holds."""

import json
from typing import Any

import pytest

from chat_core import stats
from chat_core.disconnects import SLOW
from chat_core.metrics import BEAT, Metrics


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


def told(metrics: Metrics) -> dict[str, Any]:
    return dict(json.loads(stats.datagram(metrics.registry, "async", "a1", 7, 3, 12.5)))


def exposed(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.render().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_a_new_process_says_who_it_is_and_nothing_else() -> None:
    found = told(Metrics())
    assert (found["version"], found["backend"], found["process"], found["pid"]) == (1, "async", "a1", 7)
    assert (found["sequence"], found["at"], found["values"]) == (3, 12.5, {})
    assert not any(sum(histogram["counts"]) for histogram in found["histograms"].values())


def test_it_tells_what_a_scrape_tells() -> None:
    metrics = Metrics()
    metrics.connected()
    metrics.connected()
    metrics.disconnected(SLOW)
    metrics.commanded("post")
    metrics.flushed([(2, 10, 100), (1, 0, 50)])
    metrics.relayed(0.003)
    metrics.relayed(100.0)
    metrics.ticked(512, 0.25, 9)
    found, scraped = told(metrics), exposed(metrics)
    others = ("_created", "_sum", "_count", "_bucket")
    ours = {name for name in scraped if not name.partition("{")[0].endswith(others)}
    assert found["values"] == {name: scraped[name] for name in ours if scraped[name]}
    assert found["values"][f'chat_disconnects_total{{code="{SLOW.code}",reason="{SLOW.reason}"}}'] == 1
    lag = found["histograms"]["chat_relay_lag_seconds"]
    assert len(lag["counts"]) == len(lag["bounds"]) + 1
    assert (sum(lag["counts"]), lag["counts"][-1], lag["sum"]) == (2, 1, pytest.approx(100.003))
    assert lag["counts"][lag["bounds"].index(0.005)] == 1


def test_what_is_not_known_yet_is_left_out() -> None:
    metrics = Metrics()
    metrics.ticked(0, float("inf"), 3)
    assert told(metrics)["values"] == {"chat_threads": 3}


def test_a_datagram_is_small_enough_for_any_machine() -> None:
    assert len(stats.datagram(Metrics().registry, "async", "a" * 12, 4_194_304, 10**6, 1798675200.123)) < 4096


def test_a_standstill_weighs_as_long_as_it_lasted() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.woke(-0.0004)  # a timer may be early
    assert exposed(metrics)["chat_scheduler_lag_seconds_count"] == 3
    assert exposed(metrics)["chat_scheduler_lag_seconds_sum"] == 0
    metrics.woke(1.0)
    missed = 1 + round(1.0 / BEAT)
    assert exposed(metrics)["chat_scheduler_lag_seconds_count"] == 3 + missed
    assert exposed(metrics)["chat_scheduler_lag_seconds_sum"] == pytest.approx(sum(n * BEAT for n in range(missed)))
    metrics.woke(1e9)  # the machine slept: this must end
    assert exposed(metrics)["chat_scheduler_lag_seconds_count"] < 2000
