import math
import random

import pytest

from loadtest.histogram import BITS, Histogram


def recorded(values: list[float]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@pytest.mark.parametrize("scale", [1e-5, 1e-3, 0.1, 10])
def test_percentiles_are_those_of_the_values_within_a_bucket_and_never_below(scale: float) -> None:
    dice = random.Random(scale)
    values = sorted(dice.lognormvariate(0, 1) * scale for _ in range(20_000))
    histogram = recorded(values)
    for percent in (1, 25, 50, 90, 99, 99.9, 100):
        exact = values[max(0, math.ceil(len(values) * percent / 100) - 1)]
        assert exact - 1e-12 <= histogram.percentile(percent) <= exact * (1 + 2 / 2**BITS) + 1e-6


def test_adding_is_as_good_as_recording_everything_in_one() -> None:
    dice = random.Random(1)
    values = [dice.expovariate(10) for _ in range(5000)]
    one, other, whole = recorded(values[:2000]), recorded(values[2000:]), recorded(values)
    one.add(other)
    assert (one.counts, one.count, one.longest) == (whole.counts, whole.count, whole.longest)


def test_a_value_recorded_many_times_weighs_as_much() -> None:
    histogram = Histogram()
    histogram.record(0.001, 990)
    histogram.record(0.5, 10)
    assert histogram.count == 1000
    assert histogram.percentile(99) == pytest.approx(0.001, rel=0.01)
    assert histogram.percentile(99.1) == pytest.approx(0.5, rel=0.01)
    assert histogram.longest == 0.5


def test_what_is_out_of_range_is_kept_at_its_edge() -> None:
    histogram = recorded([-1.0, 1e9])
    assert histogram.count == 2
    assert histogram.percentile(50) < 1e-5
    assert histogram.percentile(100) > 3600


def test_nothing_recorded_has_no_percentiles() -> None:
    assert math.isnan(Histogram().percentile(50))
