"""The plan of a scenario: the same seed gives the same bytes, and what is in it is what was declared."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.conductor.experiment import plan_of
from loadtest.scenarios import scenarios
from loadtest.schedule import BEFORE, make_schedule
from loadtest.workload import Diagnostics, Phase, Stall, Workload, resized, workload_from

NAMES = sorted(scenarios())
WORKLOAD = Workload(
    connections=20,
    rooms=4,
    moves=5,
    cuts=2,
    phases=(Phase("fill", 5, connections=40, rate=10), Phase("talk", 10, rate=50), Phase("rise", 10, 0, end_rate=100)),
)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_plan_byte_for_byte(name: str) -> None:
    scenario = scenarios()[name]
    plans = [plan_of(scenario, make_schedule(scenario.workload, 7)).model_dump_json() for _ in range(2)]
    assert plans[0] == plans[1]
    actions = [[action.line() for action in make_schedule(scenario.workload, 7).actions] for _ in range(2)]
    assert actions[0] == actions[1]


def test_another_seed_gives_another_plan() -> None:
    assert make_schedule(WORKLOAD, 1).digest() != make_schedule(WORKLOAD, 2).digest()


def test_a_workload_survives_the_way_to_another_process() -> None:
    for scenario in scenarios().values():
        plain = json.loads(json.dumps(scenario.workload.as_json()))
        assert make_schedule(workload_from(plain), 1).digest() == make_schedule(scenario.workload, 1).digest()


def test_actions_come_in_order_and_who_is_there_first_comes_first() -> None:
    actions = make_schedule(WORKLOAD, 1).actions
    assert [action.due for action in actions] == sorted(action.due for action in actions)
    assert [action.due for action in actions[:20]] == [BEFORE] * 20
    assert Counter(action.kind for action in actions)["enter"] == 40


def test_messages_come_at_the_rate_of_their_phase() -> None:
    schedule = make_schedule(WORKLOAD, 1)
    by_phase = Counter(schedule.window_at(action.due) for action in schedule.actions if action.kind == "post")
    assert by_phase[0] == pytest.approx(50, abs=25)
    assert by_phase[1] == pytest.approx(500, abs=80)
    assert by_phase[2] == pytest.approx(500, abs=80)


def test_constant_arrivals_are_evenly_spaced() -> None:
    workload = Workload(connections=2, arrivals="constant", phases=(Phase("talk", 2, rate=10),))
    dues = [action.due for action in make_schedule(workload, 1).actions if action.kind == "post"]
    assert dues == pytest.approx([(place + 1) / 10 for place in range(19)])


def test_a_post_is_said_by_somebody_inside_in_the_room_where_they_are_then() -> None:
    room_of: dict[int, int] = {}
    for action in make_schedule(WORKLOAD, 3).actions:
        if action.kind in ("enter", "move"):
            assert action.kind == "enter" or room_of[action.user] != action.room
            room_of[action.user] = action.room
        elif action.kind == "post":
            assert room_of[action.user] == action.room
            assert action.audience == Counter(room_of.values())[action.room]


@given(st.integers(1, 6))
def test_segments_are_the_whole_and_share_nothing(count: int) -> None:
    schedule = make_schedule(WORKLOAD, 1)
    parts = [schedule.segment(number, count) for number in range(count)]
    assert sorted((action for part in parts for action in part), key=lambda one: one.line()) == sorted(
        schedule.actions, key=lambda one: one.line()
    )
    assert len({frozenset(action.user for action in part) for part in parts}) == count


def test_zipf_rooms_have_a_long_tail() -> None:
    workload = Workload(connections=1000, rooms=20, sizes="zipf", phases=(Phase("hold", 1),))
    sizes = Counter(action.room for action in make_schedule(workload, 1).actions)
    assert sizes[0] > 3 * sizes[9] > 0


def test_who_stalls_is_drawn_from_those_who_only_listen() -> None:
    workload = Workload(connections=100, speakers=20, phases=(Phase("a", 5, rate=10),), stall=Stall(0.1, 2, 3))
    stalled = {action.user for action in make_schedule(workload, 1).actions if action.kind == "stall"}
    assert len(stalled) == 10
    assert min(stalled) >= 20


def test_resizing_keeps_the_proportions() -> None:
    smaller = resized(WORKLOAD, connections=20, rate=10, duration=5)
    assert smaller.connections == 10
    assert smaller.most_connections == 20
    assert smaller.duration == pytest.approx(5)
    assert smaller.highest_rate == pytest.approx(10)
    assert [phase.seconds for phase in smaller.phases] == pytest.approx([1, 2, 2])


def test_a_careless_handler_is_called_from_its_time_on() -> None:
    workload = Workload(
        connections=2, phases=(Phase("a", 10, rate=1),), diagnostics=Diagnostics("block", 0.05, 5, at=4)
    )
    for one, begin, end in ((workload, 4, 10), (resized(workload, duration=5), 2, 5)):
        dues = [action.due for action in make_schedule(one, 1).actions if action.kind == "diagnose"]
        assert begin < min(dues) <= begin + 0.2
        assert end - 0.21 < max(dues) <= end


def test_every_scenario_says_what_it_asks_expects_and_shows() -> None:
    for scenario in scenarios().values():
        assert all(scenario.part(name) for name in ("Question", "Hypothesis", "Picture")), scenario.name
