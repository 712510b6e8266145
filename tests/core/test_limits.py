"""Token buckets: a burst, then the rate, and a true word on when to come back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_core.limits import TokenBucket


def test_burst_is_granted_at_once_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=2, burst=3)
    assert [bucket.take(100.0) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(100.0) == pytest.approx(0.5)
    assert bucket.take(100.25) == pytest.approx(0.25)
    assert bucket.take(100.5) == 0
    assert bucket.take(100.5) > 0


def test_rest_never_saves_up_more_than_the_burst() -> None:
    bucket = TokenBucket(rate=10, burst=2)
    bucket.take(0.0)
    assert [bucket.take(1e6) > 0 for _ in range(3)] == [False, False, True]


def test_rate_of_zero_is_no_limit() -> None:
    bucket = TokenBucket(rate=0, burst=1)
    assert not any(bucket.take(0.0) for _ in range(1000))


@settings(derandomize=True, deadline=None)
@given(st.floats(0.1, 100), st.floats(1, 50), st.lists(st.floats(0, 1), max_size=100))
def test_who_waits_as_told_is_served_and_nobody_gets_more_than_the_rate(
    rate: float, burst: float, pauses: list[float]
) -> None:
    bucket, now, granted = TokenBucket(rate, burst), 5.0, 0
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        if wait:
            now += wait * 1.000001
            assert bucket.take(now) == 0
        granted += 1
    assert granted <= burst + (now - 5.0) * rate + 1e-3
