"""The rooms and connections of one process: what publications and seconds come to."""

import json
from dataclasses import dataclass

import pytest

from chat_core import envelope, presence
from chat_core.frames import User
from chat_core.limits import TokenBucket
from chat_core.presence import LIFETIME, State, encode, record
from chat_core.problems import Refused
from chat_core.registry import REFRESH_TICKS, Received, Registry
from chat_core.rooms import Admission
from tests.core.world import at, block, entries, epoch, page

A = epoch(1)


@dataclass(frozen=True)
class Connection:
    number: int
    user: User


ANN, BOB = User(id="a", name="Ann"), User(id="b", name="Bob")
ONE, TWO, THREE = Connection(1, ANN), Connection(2, ANN), Connection(3, BOB)


@pytest.fixture
def registry() -> Registry[Connection]:
    """Ann twice and Bob, in the rooms they are told to enter."""
    registry: Registry[Connection] = Registry("here", 20, TokenBucket(0, 1))
    for connection in (ONE, TWO, THREE):
        registry.take_seat(connection.user.id, 3, 0, 0.0)
        registry.add(connection)
    return registry


def join(registry: Registry[Connection], room: str, *connections: Connection) -> None:
    for connection in connections:
        registry.enter(room, connection)
        assert registry.admit(room, connection, page(at(4)), b"", 0.0)[0] is Admission.LIVE


def log_envelope(*rooms: str, first: int = 5) -> bytes:
    parts = []
    for room in rooms:
        one = block(first)
        body = one.entries[0]
        parts.append(b"%s %s %d 2.5 %d %d\n%s" % (room.encode(), A.encode(), first, len(body), len(body), body))
    return b"L" + b"".join(parts)


def test_envelope_reaches_the_rooms_that_are_here_and_skips_the_rest(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE)
    join(registry, "two", ONE)
    received = registry.receive([log_envelope("elsewhere", "one", "nowhere", "two")], 0.0)
    assert list(received.rooms) == ["one", "two"]
    assert received.sent_at == [2.5, 2.5]
    for room in received.rooms.values():
        flush = room.take()
        assert flush is not None
        assert (flush.payloads, flush.members) == (entries(5, 5), (ONE,))


def test_gap_in_one_room_leaves_the_others_alone(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE)
    join(registry, "two", ONE)
    registry.receive([log_envelope("one", first=6), log_envelope("two")], 0.0)
    assert [room.name for room in registry.parked()] == ["one"]
    assert registry.rooms["two"].take() is not None


def test_probe_parks_the_rooms_that_are_behind_it(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE)
    join(registry, "two", ONE)
    assert registry.receive([b"Qhere.7"], 0.0).probes == [b"here.7"]
    registry.verify({"one": (A, 4), "two": (A, 5), "gone": (A, 9)})
    assert [room.name for room in registry.parked()] == ["two"]


def test_room_that_nobody_has_read_yet_cannot_be_filled(registry: Registry[Connection]) -> None:
    registry.enter("one", ONE)
    registry.verify({"one": (A, 5)})
    assert registry.parked() == []


def test_typing_goes_to_everybody_but_who_types(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE, TWO, THREE)
    signal = registry.receive([envelope.typing("one", "a", b"{}")], 0.0).signals[0]
    assert (signal.payload, signal.members) == (b"{}", (THREE,))


def test_read_marker_goes_to_the_users_own_connections(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE, TWO, THREE)
    signal = registry.receive([f"Rone a {A} 3".encode()], 0.0).signals[0]
    assert signal.members == (ONE, TWO)
    assert json.loads(signal.payload) == {"type": "read", "room": "one", "epoch": A, "offset": 3}


@pytest.mark.parametrize(
    "data",
    [
        envelope.typing("gone", "a", b"{}"),
        envelope.presence("gone", "there", b""),
        f"Rgone a {A} 3".encode(),
        log_envelope("gone"),
        b"Xsomething that a newer version says",
        b"",
    ],
)
def test_publication_that_concerns_nobody_here_is_nothing(registry: Registry[Connection], data: bytes) -> None:
    join(registry, "one", ONE)
    assert registry.receive([data], 0.0) == Received()


def test_presence_of_this_process_is_not_taken_from_the_bus(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE)
    theirs = encode(State(1, {"c": "Cleo"}))
    registry.receive([envelope.presence("one", "here", theirs), envelope.presence("one", "there", theirs)], 0.0)
    assert registry.rooms["one"].presence.state().users == {"a": "Ann", "c": "Cleo"}
    registry.receive([envelope.presence("one", "there", b"")], 0.0)
    assert registry.rooms["one"].presence.state().users == {"a": "Ann"}


def test_join_learns_of_the_other_processes_from_its_page(registry: Registry[Connection]) -> None:
    found = page(at(4))
    found.presence.update(
        {name: record(b'9 {"count":1,"users":{"%c":"N"}}' % name[0].encode()) for name in ("here", "x")}
    )
    registry.enter("one", ONE)
    registry.admit("one", ONE, found, b"", 0.0)
    assert set(registry.rooms["one"].presence.state().users) == {"a", "x"}


def test_ghosts_of_a_killed_process_are_gone_in_thirty_seconds(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE)
    said_last = REFRESH_TICKS / 2
    gone_at = None
    for second in range(60):
        if second == said_last:
            registry.receive([envelope.presence("one", "killed", encode(State(1, {"g": "Ghost"})))], second)
        for signal in registry.tick(second).signals:
            if json.loads(signal.payload).get("leaves") == ["g"]:
                gone_at = second
    assert gone_at is not None
    assert LIFETIME <= gone_at - said_last <= 30


def test_presence_is_announced_when_it_changes_and_again_every_ten_seconds(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE)
    said = [second for second in range(1, 31) if registry.tick(second).announcements]
    assert said == [1, 10, 20, 30]
    registry.renew()
    assert [second for second in range(31, 40) if registry.tick(second).announcements] == [31], "delivery works again"


def test_second_gives_members_what_changed_and_the_bus_the_whole(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE, THREE)
    tick = registry.tick(1.0)
    assert presence.decode(tick.announcements["one"]).users == {"a": "Ann", "b": "Bob"}
    assert [user["id"] for user in json.loads(tick.signals[0].payload)["joins"]] == ["a", "b"]
    assert tick.signals[0].members == (ONE, THREE)
    assert registry.tick(2.0).signals == []


def test_new_member_is_told_once_who_is_here_after_all(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE)
    registry.tick(1.0)
    join(registry, "one", THREE)
    whole = registry.tick(2.0).signals[-1]
    assert whole.members == (THREE,)
    assert [user["id"] for user in json.loads(whole.payload)["members"]["users"]] == ["a", "b"]
    assert registry.tick(3.0).signals == []


def test_room_is_forgotten_when_the_last_has_left_and_the_others_know(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE)
    registry.tick(1.0)
    registry.depart("one", ONE)
    assert registry.tick(2.0).announcements == {"one": b""}
    assert not registry.rooms


def test_room_that_was_only_looked_into_is_forgotten_at_once(registry: Registry[Connection]) -> None:
    registry.enter("one", ONE)
    registry.depart("one", ONE)
    assert not registry.rooms


def test_closed_connection_leaves_its_rooms_and_keeps_its_user_for_the_grace(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE, THREE)
    registry.tick(1.0)
    registry.remove(ONE, ["one", "never joined"], 1.0)
    assert list(registry.rooms["one"].members) == [THREE]
    assert registry.tick(1.0 + presence.GRACE - 0.5).signals == []
    assert json.loads(registry.tick(1.0 + presence.GRACE).signals[0].payload)["leaves"] == ["a"]
    assert len(registry.connections) == 2


def test_seats_are_counted_in_all_and_by_user(registry: Registry[Connection]) -> None:
    for user, most, most_per_user in (("c", 3, 0), ("a", 4, 2)):
        with pytest.raises(Refused, match="full"):
            registry.take_seat(user, most, most_per_user, 0.0)
    registry.take_seat("b", 4, 2, 0.0)
    with pytest.raises(Refused, match="full"):
        registry.check_seat("c", 4, 0, 0.0)
    registry.leave_seat("b")
    registry.check_seat("c", 4, 0, 0.0)
    registry.remove(TWO, [], 0.0)
    registry.check_seat("a", 4, 2, 0.0)
    assert registry.seats == 2


def test_connections_may_come_no_faster_than_the_rate() -> None:
    registry: Registry[Connection] = Registry("here", 20, TokenBucket(2, 3))
    for _ in range(3):
        registry.check_seat("a", 100, 0, 5.0)  # asking costs nothing
        registry.take_seat("a", 100, 0, 5.0)
    for act in (registry.check_seat, registry.take_seat):
        with pytest.raises(Refused) as caught:
            act("b", 100, 0, 5.0)
        assert (caught.value.outcome, caught.value.answer.status) == ("too_fast", 503)
        assert ("Retry-After", "1") in caught.value.answer.headers
        assert b"urn:tandem:problem:full" in caught.value.answer.body
    with pytest.raises(Refused) as caught:
        registry.take_seat("b", 3, 0, 6.0)
    assert caught.value.outcome == "full", "who finds no place takes no turn either"
    for _ in range(2):
        registry.take_seat("b", 100, 0, 6.0)
    assert registry.seats == 5


def test_whole_presence_is_told_to_who_missed_changes(registry: Registry[Connection]) -> None:
    join(registry, "one", ONE, THREE)
    whole = registry.whole_presence("one")
    assert whole is not None
    assert [user["id"] for user in json.loads(whole)["members"]["users"]] == ["a", "b"]
    assert registry.whole_presence("gone") is None


def test_each_connection_is_due_once_a_turn(registry: Registry[Connection]) -> None:
    due = [connection for second in range(20) for connection in registry.tick(second).due]
    assert sorted(due, key=lambda connection: connection.number) == [ONE, TWO, THREE]
