"""The timer wheel: everybody once a turn, nobody twice."""

import pytest

from chat_core.liveness import Wheel


@pytest.mark.parametrize("slots", [1, 2, 20])
def test_connection_is_due_one_turn_after_it_came_and_every_turn_from_then(slots: int) -> None:
    wheel: Wheel[str] = Wheel(slots)
    wheel.tick()
    wheel.add("ann")
    due = [tick for tick in range(1, 3 * slots + 1) if wheel.tick() == ("ann",)]
    assert due == [slots, 2 * slots, 3 * slots]


def test_turn_of_nothing_is_one_tick() -> None:
    wheel: Wheel[str] = Wheel(0)
    wheel.add("ann")
    assert wheel.tick() == ("ann",)


def test_connections_are_spread_as_they_came() -> None:
    wheel: Wheel[int] = Wheel(10)
    for number in range(10):
        wheel.add(number)
        wheel.tick()
    assert [wheel.tick() for _ in range(10)] == [(number,) for number in [*range(1, 10), 0]]


def test_removed_connection_is_looked_at_no_more() -> None:
    wheel: Wheel[str] = Wheel(2)
    wheel.add("ann")
    wheel.add("bob")
    wheel.remove("ann")
    wheel.remove("ann")
    assert wheel.all() == ("bob",)
    assert len(wheel) == 1
    assert [wheel.tick() for _ in range(2)] == [(), ("bob",)]
