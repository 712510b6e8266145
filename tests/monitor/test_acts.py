"""A promise is held or broken by what the crowd wrote down, and the card says for how many and how long."""

from typing import Any

import pytest

from loadtest.monitor import acts
from loadtest.monitor.acts import ACTS, judge


def found(**changed: Any) -> dict[str, Any]:
    counts = {"acknowledged": 150, "deliveries": 1500, **changed.pop("counts", {})}
    return {"missing": [], "counts": counts, "down": 0.0, "interrupted": 0, "longest": 0.02, **changed}


BEFORE = {"acknowledged": 100, "deliveries": 1000, "lost": 2, "ended": 3}


@pytest.mark.parametrize("act", ACTS.values(), ids=lambda act: act.name)
def test_where_nothing_went_wrong_every_promise_is_held(act: acts.Act) -> None:
    judged = judge(act, BEFORE, found(counts={"lost": 2, "ended": 3}), 1.0)
    assert acts.held(judged)
    assert len(judged) == len(act.promises)
    assert judged[0].detail == "50 messages, 500 deliveries"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"counts": {"lost": 5}}, "3 lost"),
        ({"counts": {"lost": 2, "duplicated": 1}}, "1 duplicated"),
        ({"missing": ["4 members have not got all"]}, "4 members have not got all"),
    ],
)
def test_what_is_lost_or_doubled_breaks_the_promise(changed: dict[str, Any], said: str) -> None:
    first = judge(ACTS["freeze_redis"], BEFORE, found(**changed), 3.0)[0]
    assert (first.held, first.detail) == (False, said)


def test_everybody_must_be_back_soon_after_the_server_is() -> None:
    late = judge(ACTS["kill_worker"], BEFORE, found(interrupted=40, down=3.0 + acts.BACK_WITHIN + 0.1), 3.0)[1]
    assert (late.held, late.detail) == (False, "40 members cut off, 5.6 s at the longest (5.5 s allowed)")
    assert judge(ACTS["kill_worker"], BEFORE, found(interrupted=40, down=5.0), 3.0)[1].held


def test_redis_may_be_away_but_connections_stay() -> None:
    kept = judge(ACTS["freeze_redis"], BEFORE, found(counts={"ended": 3, "unavailable": 12}), 3.0)[1]
    assert (kept.held, kept.detail) == (True, "none ended; 12 posts answered “unavailable” and sent again")
    assert not judge(ACTS["freeze_redis"], BEFORE, found(counts={"ended": 4}), 3.0)[1].held


def test_a_handler_that_blocks_may_make_nobody_wait() -> None:
    judged = judge(ACTS["block"], BEFORE, found(counts={"late": 140}, longest=1.92), 2.0)[1]
    assert (judged.held, judged.detail) == (False, "140 deliveries late, longest 1.92 s")
