"""What a user of the plan does when the next thing is due before the last one is done: no server, word for word."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from loadtest.connection import Phase
from loadtest.crew import users
from loadtest.crew.accounts import losses
from loadtest.crew.books import Books
from loadtest.crew.member import Member, User
from loadtest.crew.users import Crew
from loadtest.follower import Follower
from loadtest.schedule import Action

EPOCH = "ab" * 8
NAMES = ("r-0", "r-1", "r-2")


class Told(Member):
    """A connection without a socket: it notes what it is asked to say."""

    __slots__ = ("said",)

    def __init__(self, crew: Crew, user: User, reference: Any, intended: float, **_: Any) -> None:
        self._crew, self._user, self.began, self.replaying = crew, user, intended, False
        self.number, self.room, self.ended = user.number, reference.room, ""
        self.follower = Follower(reference, self._take)
        self.phase = Phase.OPEN
        self.said: list[tuple[str, str]] = []
        self.join()

    def command(self, command: dict[str, Any]) -> None:
        self.said.append((command["type"], command["room"]))

    def send(self, data: bytes) -> None:
        self.said.append(("post", self.room))

    def pause(self) -> None:
        self._watched = False

    def close(self, why: str) -> None:
        before, self.phase, self.ended = self.phase, Phase.CLOSED, why
        self.on_closed(before)

    def joined(self, offset: int = 0, **rest: Any) -> None:
        """The server let it in."""
        result = {"epoch": EPOCH, "offset": offset, **rest}
        self._take(1, {"type": "reply", "ref": 0, "result": result})

    def left(self) -> None:
        """The server let it go."""
        self._take(1, {"type": "reply", "ref": (1 << 53) - 1, "result": {}})


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    monkeypatch.setattr(users, "Member", Told)
    with Crew(("127.0.0.1", 1), 3, "r", Books(1), lambda _: {}, returning=True, seed=1) as crew:
        for number in (0, 1):
            crew.add(User(number, 0))
            crew.enter(number, 0, 0.0)
        yield crew


def told(crew: Crew, number: int) -> Told:
    connection = crew.users[number].connection
    assert isinstance(connection, Told)
    return connection


def move(crew: Crew, room: int) -> None:
    crew.act(Action(0.0, "move", 0, room), 0.0, 0)


def test_a_move_is_a_leave_and_a_join(crew: Crew) -> None:
    one = told(crew, 0)
    one.joined()
    move(crew, 1)
    assert one.said == [("join", "r-0"), ("leave", "r-0")]
    assert crew.rooms[0].users == {0, 1}, "until the server says so"
    one.left()
    assert one.said[2:] == [("join", "r-1")]
    assert (crew.rooms[0].users, crew.rooms[1].users) == ({1}, {0})
    one.joined()
    assert one.phase is Phase.JOINED


def test_who_moves_on_before_being_let_in_goes_on_from_there(crew: Crew) -> None:
    """Or the books would have them in one room, and the server in another."""
    one = told(crew, 0)
    one.joined()
    move(crew, 1)
    one.left()
    move(crew, 2)
    assert crew.users[0].room == 1
    assert one.said[-1] == ("join", "r-1")
    one.joined()
    assert one.said[-1] == ("leave", "r-1")
    one.left()
    one.joined()
    assert one.said[-1] == ("join", "r-2")
    assert [crew.rooms[number].users for number in range(3)] == [{1}, set(), {0}]
    assert one.follower.reference is crew.rooms[2].reference


def test_who_moves_on_before_having_left_goes_to_the_last_place_at_once(crew: Crew) -> None:
    one = told(crew, 0)
    one.joined()
    move(crew, 1)
    move(crew, 2)
    one.left()
    assert one.said == [("join", "r-0"), ("leave", "r-0"), ("join", "r-2")]
    assert crew.rooms[2].users == {0}


def test_who_is_away_when_a_move_is_due_comes_back_elsewhere(crew: Crew) -> None:
    one = told(crew, 0)
    one.joined(offset=7)
    move(crew, 1)
    one.close("lost: end of stream")
    crew._timers[0][2]()
    assert told(crew, 0).said == [("join", "r-1")]
    assert crew.users[0].offset is None, "it has no position in the room to which it comes"


def test_where_somebody_was_wanted_and_was_not_yet_is_told_room_by_room(crew: Crew) -> None:
    one = told(crew, 0)
    one.joined()
    move(crew, 1)
    one.left()
    crew.act(Action(1.0, "move", 0, 2), 1.0, 0)
    one.joined()
    one.left()
    one.joined()
    waits = crew.users[0].waits
    assert [wait[0] for wait in waits] == list(NAMES)
    assert waits[1][1:] == (0.0, 1.0)
    assert waits[2][1] == 1.0


def test_rooms_that_are_trimmed_while_somebody_moves_are_followed_right(crew: Crew) -> None:
    """What two members receive of one room, of which one was wanted elsewhere before it was let in."""
    one, two = told(crew, 0), told(crew, 1)
    two.joined()
    move(crew, 1)
    one.joined()
    for offset in (1, 2):
        action = Action(0.0, "post", 1, 0, f"id{offset}", f"text {offset}", audience=2)
        crew.prepare(action)
        crew.expect(action, 0, 2)
        for connection in (one, two):
            connection.follower.feed(memoryview(_frame(offset)))
        crew.settle(1.0)
        crew.trim()
    assert not crew.books.faults.broken, crew.books.faults.examples
    assert crew.deliveries == 4


def _frame(offset: int) -> bytes:
    fields = {"type": "message", "room": "r-0", "epoch": EPOCH, "offset": offset, "at": 1.5, "id": f"id{offset}"}
    text = json.dumps(fields | {"text": f"text {offset}"}).encode()
    return bytes([0x81, 126, *len(text).to_bytes(2, "big")]) + text


class TestClosing:
    """Posts that nobody answered, when the books are closed."""

    def posted(self, crew: Crew) -> Books:
        told(crew, 0).joined()
        for number, answer in enumerate(({"error": {"code": "unavailable"}}, None)):
            action = Action(0.0, "post", 0, 0, f"id{number}", "text", audience=2)
            crew.prepare(action)
            crew.expect(action, 0, 2)
            crew.act(action, 0.0, 0)
            if answer:
                crew.on_reply(crew.users[0], {"ref": users.FIRST_REF, **answer})
        return crew.books

    @pytest.mark.parametrize(
        ("settled", "unanswered", "found"),
        [(True, 1, {"publish refused": 4}), (False, 0, {"publish refused": 2, "backlog": 2})],
    )
    def test_no_answer_is_a_fault_only_where_all_had_come_to_rest(
        self, crew: Crew, settled: bool, unanswered: int, found: dict[str, int]
    ) -> None:
        books = self.posted(crew)
        assert losses(crew, {}, {"id0": 2, "id1": 2}, settled) == found
        books.close(settled)
        assert books.faults.unanswered == unanswered
        assert books.faults.refused == 1
