"""What workers report becomes rates, gauges and quantiles; what is no report becomes nothing."""

import json
from typing import Any

import pytest

from loadtest.monitor import counters
from loadtest.monitor.counters import Backend, Report

BOUNDS = [0.001, 0.01, 0.1]


def report(process: str, sequence: int, at: float, counts: list[int] | None = None, **values: Any) -> Report:
    lag = {"bounds": BOUNDS, "counts": counts or [0, 0, 0, 0]}
    return Report("async", process, 7, sequence, at, values, {"lag": lag})


def told(*reports: Report) -> Backend:
    backend = Backend()
    for one in reports:
        backend.take(one, one.at)
    return backend


def test_a_datagram_is_read_and_what_is_none_is_passed_over() -> None:
    whole: dict[str, Any] = {
        **{"version": 1, "backend": "sync", "process": "a", "pid": 3, "sequence": 1, "at": 2.0},
        "values": {"chat_threads": 4},
        "histograms": {"lag": {"bounds": [1], "counts": [2, 0], "sum": 1.5}},
    }
    found = counters.parse(json.dumps(whole).encode())
    assert found is not None
    assert (found.backend, found.values["chat_threads"], found.histograms["lag"]["counts"]) == ("sync", 4, [2, 0])
    for damaged in (b"", b"[]", b"{}", b"\xff", b'"x"', json.dumps(whole | {"version": 2}).encode()):
        assert counters.parse(damaged) is None
    assert counters.parse(json.dumps(whole | {"values": {"a": "many"}}).encode()) is None


def test_rates_are_per_second_of_the_worker_and_summed_over_workers() -> None:
    backend = told(
        *(report("a", 1, 10.0, n=5), report("a", 2, 12.0, n=25)),
        *(report("b", 7, 10.0, n=100), report("b", 8, 11.0, n=130)),
    )
    workers = backend.reporting(12.0)
    assert counters.rate(workers, "n") == pytest.approx(10 + 30)
    assert counters.gauge(workers, "n") == 155


def test_a_process_that_has_just_begun_counts_from_nothing_and_an_old_one_from_where_it_is() -> None:
    assert counters.rate(told(report("a", 1, 10.0, n=8)).reporting(10.0), "n") == 8
    assert counters.rate(told(report("a", 9, 10.0, n=8)).reporting(10.0), "n") == 0


def test_a_silent_worker_is_not_reporting_and_its_sums_are_kept() -> None:
    backend = told(report("a", 1, 10.0, x_total=5, x=9), report("b", 1, 10.0, x_total=1))
    assert len(backend.reporting(12.0)) == 2
    assert backend.reporting(12.5) == []
    assert backend.total("x_total") == 6
    assert backend.reporting(10 + counters.FORGET_AFTER + 1) == []
    backend.take(report("c", 1, 80.0, x_total=2), 80.0)
    assert backend.total("x_total") == 8, "those that are gone still count"
    assert backend.gone.get("x") is None, "a gauge ends with its process"


def test_a_datagram_that_overtook_another_is_not_undone() -> None:
    backend = told(report("a", 1, 10.0, n=1), report("a", 3, 12.0, n=9), report("a", 2, 11.0, n=5))
    assert counters.rate(backend.reporting(12.0), "n") == pytest.approx(4)


def test_quantiles_are_those_of_the_last_second() -> None:
    backend = told(report("a", 1, 10.0, [900, 0, 0, 0]), report("a", 2, 11.0, [900, 98, 2, 0]))
    half, most, longest = counters.quantiles(backend.reporting(11.0), "lag", (0.5, 0.99, 1))
    assert half == pytest.approx(0.001 + 0.009 * 50 / 98)
    assert most is not None
    assert 0.01 < most <= 0.1
    assert longest == 0.1
    nothing = told(report("a", 1, 10.0, [5, 0, 0, 0]), report("a", 2, 11.0, [5, 0, 0, 0]))
    assert counters.quantiles(nothing.reporting(11.0), "lag", (0.5,)) == [None]


def test_labels_are_summed_or_told_apart() -> None:
    one, two = 'closed_total{code="4000",reason="slow"}', 'closed_total{code="1012",reason="restart"}'
    backend = told(report("a", 1, 10.0, None, **{one: 1}), report("a", 2, 11.0, None, **{one: 3, two: 4}))
    workers = backend.reporting(11.0)
    assert counters.rate(workers, "closed_total", labelled=True) == pytest.approx(6)
    assert counters.rates_by_label(workers, "closed_total", "reason") == {"slow": 2, "restart": 4}
