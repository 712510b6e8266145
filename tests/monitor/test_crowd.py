"""A member follows the protocol and writes down what is wrong, against a server whose words are written here."""

from typing import Any

import pytest

from loadtest.monitor.crowd import Books, Member, Post, Room, Side


@pytest.fixture
def member() -> Member:
    side = Side("async", ("127.0.0.1", 1))
    room = Room("demo", side.address, {}, side.books)
    side.rooms.append(room)
    room.members.append(Member(room, 0))
    joined = {"epoch": "e1", "offset": 4, "recovered": False, "messages": [], "more": False}
    room.members[0]._take({"type": "reply", "ref": 0, "result": joined})
    for number in range(5, 12):
        side.books.posts[f"demo_{number}"] = Post(f"demo_{number}", 0.0)
    return room.members[0]


def entry(offset: int, id_: str | None = None, epoch: str = "e1") -> dict[str, Any]:
    return {"type": "message", "room": "demo", "epoch": epoch, "offset": offset, "id": id_ or f"demo_{offset}"}


def counts(books: Books) -> dict[str, int]:
    wanted = ("deliveries", "lost", "duplicated", "foreign", "told", "recovered")
    return {name: books.counts[name] for name in wanted if books.counts[name]}


async def test_what_comes_in_order_is_right(member: Member) -> None:
    for offset in (5, 6, 7):
        member._take(entry(offset))
    assert counts(member.room.books) == {"deliveries": 3}


async def test_a_gap_is_a_loss_and_a_repetition_a_double(member: Member) -> None:
    for offset in (5, 8, 8):
        member._take(entry(offset))
    assert counts(member.room.books) == {"deliveries": 2, "lost": 2, "duplicated": 1}


async def test_one_message_at_two_places_is_a_double(member: Member) -> None:
    member._take(entry(5))
    member._take(entry(6, "demo_5"))
    assert counts(member.room.books) == {"deliveries": 2, "duplicated": 1}


async def test_what_nobody_here_posted_is_foreign(member: Member) -> None:
    member._take(entry(5, "somebody-else"))
    assert counts(member.room.books) == {"deliveries": 1, "foreign": 1}


async def test_what_was_missed_is_caught_up_with(member: Member) -> None:
    member._take(entry(5))
    result = {"epoch": "e1", "offset": 7, "recovered": True, "messages": [entry(6), entry(7)], "more": True}
    member._take({"type": "reply", "ref": 0, "result": result})
    member._take(entry(9))  # before the last page: it comes again
    member._take({"type": "replay", "room": "demo", "messages": [entry(8), entry(9)], "more": False})
    member._take(entry(10))
    assert counts(member.room.books) == {"deliveries": 6, "recovered": 4}


async def test_who_is_told_to_load_anew_has_lost_nothing_silently(member: Member) -> None:
    member._take(entry(5))
    result = {"epoch": "e2", "offset": 20, "recovered": False, "messages": [], "more": False}
    member._take({"type": "reply", "ref": 0, "result": result})
    assert counts(member.room.books) == {"deliveries": 1, "told": 1}


async def test_what_is_open_is_said_in_words(member: Member) -> None:
    side = Side("async", ("127.0.0.1", 1), member.room.books, [member.room])
    answered, unanswered, elsewhere = (Post(f"demo_{number}", 0.0) for number in (5, 6, 7))
    assert side.settled([])
    answered.place = ("e1", 5)
    assert side.missing([answered]) == ["1 members have not got all"]
    member.offset = 7
    assert side.settled([answered])
    assert side.missing([answered, unanswered]) == ["1 posts have no answer"]
    elsewhere.place, elsewhere.seen = ("e1", 7), {("e1", 6)}
    assert side.missing([elsewhere]) == ["1 messages are not where they were acknowledged"]
