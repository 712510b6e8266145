"""Who is in a room: users and not connections, of all processes, with grace for lost sockets and an end for silence."""

from typing import Any

from chat_core.frames import User
from chat_core.presence import (
    GRACE,
    LIFETIME,
    MOST_LISTED,
    SAMPLE,
    Presence,
    State,
    decode,
    encode,
    record,
    union,
)

ANN, BOB = User(id="a", name="Ann"), User(id="b", name="Bob")


def many(count: int, first: int = 0) -> State:
    return State(count, {f"u{number}": f"U{number}" for number in range(first, first + count)})


def changes(presence: Presence) -> tuple[list[str], list[str]]:
    """The ids of who came and who went, as a push says it."""
    fields: dict[str, Any] = presence.push() or {}
    return [user.id for user in fields.get("joins", [])], fields.get("leaves", [])


def test_user_with_two_connections_is_present_until_the_last_is_gone() -> None:
    presence = Presence()
    presence.track(ANN)
    presence.track(ANN)
    assert changes(presence) == (["a"], [])
    presence.untrack(ANN, until=0.0)
    presence.expire(10.0)
    assert changes(presence) == ([], [])
    presence.untrack(ANN, until=0.0)
    presence.expire(10.0)
    assert changes(presence) == ([], ["a"])
    assert not presence.occupied or presence.announcement() == State()


def test_lost_socket_that_comes_back_within_its_grace_is_not_noticed() -> None:
    presence = Presence()
    presence.track(ANN)
    assert changes(presence) == (["a"], [])
    presence.untrack(ANN, until=100.0 + GRACE)
    presence.expire(100.0 + GRACE - 0.1)
    presence.track(ANN)
    presence.expire(200.0)
    assert changes(presence) == ([], [])


def test_lost_socket_that_stays_away_leaves_when_its_grace_is_over() -> None:
    presence = Presence()
    presence.track(ANN)
    presence.push()
    presence.untrack(ANN, until=105.0)
    presence.changed = False
    presence.expire(104.9)
    assert changes(presence) == ([], [])
    assert presence.due(105.0), "the next second is to look again"
    presence.expire(105.0)
    assert changes(presence) == ([], ["a"])


def test_new_name_is_told_as_a_join() -> None:
    presence = Presence()
    presence.track(ANN)
    presence.push()
    presence.track(User(id="a", name="Anna"))
    assert changes(presence) == (["a"], [])


def test_what_is_announced_is_announced_once() -> None:
    presence = Presence()
    presence.track(ANN)
    assert presence.announcement() == State(1, {"a": "Ann"})
    assert presence.announcement() is None
    assert presence.occupied
    presence.untrack(ANN, 0.0)
    presence.expire(0.0)
    assert presence.occupied, "the others have yet to hear of it"
    assert presence.announcement() == State()
    assert not presence.occupied


def test_user_on_two_processes_is_one_user() -> None:
    presence = Presence()
    presence.track(ANN)
    presence.receive("there", State(2, {"a": "Ann", "b": "Bob"}), 0.0)
    assert presence.state() == State(2, {"a": "Ann", "b": "Bob"})
    presence.receive("there", State(), 0.0)
    assert presence.state() == State(1, {"a": "Ann"})


def test_process_that_fell_silent_is_dropped_in_time_and_one_that_speaks_is_not() -> None:
    presence = Presence()
    presence.receive("silent", State(1, {"a": "Ann"}), 0.0)
    presence.receive("alive", State(1, {"b": "Bob"}), 0.0)
    presence.receive("alive", State(1, {"b": "Bob"}), 10.0)
    presence.changed = False
    assert not presence.due(LIFETIME - 0.1)
    assert presence.due(LIFETIME)
    presence.expire(LIFETIME)
    assert presence.state().users == {"b": "Bob"}


def test_record_of_a_dead_process_lives_no_longer_than_redis_says() -> None:
    presence = Presence()
    presence.learn({"dead": record(b'3 {"count":1,"users":{"a":"Ann"}}')}, 100.0)
    presence.expire(102.9)
    assert presence.state().users == {"a": "Ann"}
    presence.expire(103.0)
    assert presence.state().users == {}


def test_what_was_heard_of_a_process_is_newer_than_what_redis_has() -> None:
    presence = Presence()
    presence.receive("there", State(1, {"b": "Bob"}), 0.0)
    presence.learn({"there": record(b'3 {"count":1,"users":{"a":"Ann"}}')}, 1.0)
    assert presence.state().users == {"b": "Bob"}


def test_above_the_limit_a_state_is_a_count_and_a_sample() -> None:
    state = union([many(150), many(MOST_LISTED, first=100)])
    assert (state.count, len(state.users), state.sampled) == (300, SAMPLE, True)
    members = state.members()
    assert (members.count, len(members.users), members.sampled) == (300, SAMPLE, True)
    exact = union([many(MOST_LISTED)]).members()
    assert (exact.count, len(exact.users), exact.sampled) == (MOST_LISTED, MOST_LISTED, False)


def test_state_of_a_large_process_travels_as_a_sample_and_adds_up() -> None:
    travelled = decode(encode(many(1000)))
    assert (travelled.count, len(travelled.users)) == (1000, MOST_LISTED)
    assert union([travelled, many(10, first=5000)]).count == 1010


def test_members_get_counts_while_the_state_is_a_sample_and_everybody_at_its_ends() -> None:
    presence = Presence()
    presence.receive("there", many(MOST_LISTED), 0.0)
    assert len(changes(presence)[0]) == MOST_LISTED
    presence.receive("there", many(MOST_LISTED + 1), 0.0)
    growing = presence.push()
    assert growing is not None
    assert (growing["count"], "members" in growing) == (MOST_LISTED + 1, True)
    presence.receive("there", many(MOST_LISTED + 5), 0.0)
    assert presence.push() == {"count": MOST_LISTED + 5}
    assert presence.push() is None
    presence.receive("there", many(3), 0.0)
    shrinking = presence.push()
    assert shrinking is not None
    assert shrinking["members"] == many(3).members()
