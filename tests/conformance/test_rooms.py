"""Joining and leaving rooms, and what is told of them to those who join."""

import asyncio
import json

import pytest

from chat_core.frames import Position, Reset
from stack.backends import Backend
from tests.conformance.conftest import Enter, Fill
from tests.wire.client import Message, Replay, place
from tests.wire.servers import Site


async def test_first_join_makes_an_empty_room(lone: Backend, room: str, enter: Enter) -> None:
    ada = await enter(lone)
    result = await ada.join(room)
    assert (result.offset, result.recovered, result.messages, result.more) == (0, False, [], False)
    assert [user.name for user in result.members.users] == ["Ada"]
    assert (result.members.count, result.members.sampled, result.read) == (1, False, None)


async def test_join_gives_the_newest_fifty_messages_with_what_became_of_them(
    site: Site, room: str, enter: Enter
) -> None:
    ada = await enter(site.here, room)
    ends = [await ada.post(room, f"{number}") for number in range(60)]
    await ada.reached(room, ends[-1])
    messages = [entry for entry in ada.ledger(room).entries if isinstance(entry, Message)]
    await ada.edit(room, messages[20], "edited")
    await ada.delete(room, messages[30])
    last = await ada.react(room, messages[40], "👍")

    result = await (await enter(site.there)).join(room)
    assert (result.epoch, result.offset, result.more) == (last.epoch, 63, False)
    found = {entry.offset: entry for entry in result.messages if isinstance(entry, Message)}
    assert list(found) == list(range(11, 61))
    assert found[21].text == "edited"
    assert found[21].edited_at
    assert found[31].text is None
    assert found[41].reactions == {"👍": [messages[40].user.id]}


async def test_resume_brings_all_entries_since_with_their_last_text(site: Site, room: str, enter: Enter) -> None:
    ada, bob = await enter(site.here, room), await enter(site.there, room, name="Bob")
    first = await ada.post(room, "first")
    await bob.reached(room, first)
    since = bob.ledger(room).position
    await bob.close()
    await ada.edit(room, first, "edited")
    second = await ada.post(room, "second")
    await ada.delete(room, second)
    last = await ada.react(room, first, "🎈")

    back = await enter(site.there, name="Bob")
    result = await back.join(room, since)
    assert result.recovered
    assert [entry.type for entry in result.messages] == ["edited", "message", "deleted", "reacted"]
    assert [getattr(entry, "text", "-") for entry in result.messages] == ["edited", None, "-", "-"]
    assert result.offset == last.offset
    more = await ada.post(room, "live again")
    await back.reached(room, more)


async def test_resume_where_nothing_was_missed_is_empty(site: Site, room: str, enter: Enter) -> None:
    ada = await enter(site.here, room)
    last = await ada.post(room, "all there is")
    result = await (await enter(site.there)).join(room, place(last))
    assert (result.recovered, result.messages, result.offset) == (True, [], last.offset)


@pytest.mark.parametrize("case", ["unknown-epoch", "beyond-the-top"])
async def test_positions_that_cannot_be_honoured_are_not_recovered(
    case: str, site: Site, room: str, enter: Enter
) -> None:
    ada = await enter(site.here, room)
    last = await ada.post(room, "hello")
    epoch, offset = ("0" * 16, 0) if case == "unknown-epoch" else (last.epoch, 2)
    result = await (await enter(site.there)).join(room, Position(epoch=epoch, offset=offset))
    assert not result.recovered
    assert result.offset == last.offset
    assert [entry.text for entry in result.messages if isinstance(entry, Message)] == ["hello"]


async def test_long_absence_is_replayed_in_pages(site: Site, room: str, enter: Enter, fill: Fill) -> None:
    ada = await enter(site.here, room)
    start = await ada.post(room, "start")
    last = await fill(room, [f"{number}" for number in range(410)])
    bob = await enter(site.there, name="Bob")
    result = await bob.join(room, place(start))
    assert (result.recovered, result.more, len(result.messages)) == (True, True, 200)
    pages = [await bob.expect(Replay), await bob.expect(Replay)]
    assert [page.more for page in pages] == [True, False]
    await bob.reached(room, last)
    await ada.reached(room, last)
    assert bob.ledger(room).keys == ada.ledger(room).keys[1:]


async def test_pages_are_bounded_in_bytes_too(site: Site, room: str, enter: Enter, fill: Fill) -> None:
    ada = await enter(site.here, room)
    start = await ada.post(room, "start")
    last = await fill(room, [f"{number} {'x' * 3900}" for number in range(60)])
    bob = await enter(site.there, name="Bob")
    result = await bob.join(room, place(start))
    assert result.more
    assert sum(len(entry.model_dump_json()) for entry in result.messages) <= 140_000
    await bob.reached(room, last)
    await ada.reached(room, last)
    assert bob.ledger(room).texts == ada.ledger(room).texts[1:]
    newest = await (await enter(site.there)).join(room)
    assert sum(len(entry.model_dump_json()) for entry in newest.messages) <= 140_000
    assert newest.offset == last.offset


async def test_messages_posted_during_a_replay_come_after_it(site: Site, room: str, enter: Enter, fill: Fill) -> None:
    ada = await enter(site.here, room)
    start = await ada.post(room, "start")
    await fill(room, [f"{number}" for number in range(500)])
    bob = await enter(site.there, name="Bob")
    joined = asyncio.create_task(bob.join_whole(room, place(start)))
    last = await fill(room, [f"meanwhile {number}" for number in range(100)])
    await joined
    await bob.reached(room, last)
    await ada.reached(room, last)
    assert bob.ledger(room).keys == ada.ledger(room).keys[1:]


async def test_joining_again_starts_over(site: Site, room: str, enter: Enter) -> None:
    ada = await enter(site.here, room)
    first = await ada.post(room, "first")
    await ada.reached(room, first)
    again = await ada.join(room)
    assert (again.recovered, len(again.messages), again.members.count) == (False, 1, 1)
    resumed = await ada.join(room, place(first))
    assert (resumed.recovered, resumed.messages) == (True, [])
    second = await ada.post(room, "second")
    await ada.reached(room, second)
    assert ada.ledger(room).texts == ["second"]


async def test_who_left_gets_nothing_more_and_may_come_back(site: Site, room: str, enter: Enter) -> None:
    ada, bob = await enter(site.here, room), await enter(site.there, room, name="Bob")
    await bob.result("leave", room=room)
    assert await bob.refused("leave", room=room) == "not_joined"
    assert await bob.refused("post", room=room, id="a", text="a") == "not_joined"
    missed = await ada.post(room, "missed")
    await ada.reached(room, missed)
    result = await bob.join(room, bob.ledger(room).position)
    assert [entry.offset for entry in result.messages] == [missed.offset]
    assert not [push for push in bob.seen(Message) if push.offset == missed.offset]


@pytest.mark.parametrize("kind", ["post", "edit", "delete", "react", "typing", "read", "leave"])
async def test_only_members_may_act(kind: str, site: Site, room: str, enter: Enter) -> None:
    ada = await enter(site.here, room)
    message = await ada.post(room, "hello")
    where = place(message)
    fields: dict[str, dict[str, object]] = {
        "post": {"id": "a", "text": "a"},
        "edit": {"id": "a", "text": "a", "target": where},
        "delete": {"id": "a", "target": where},
        "react": {"id": "a", "target": where, "emoji": "👍"},
        "read": where.model_dump(),
    }
    bob = await enter(site.there, name="Bob")
    assert await bob.refused(kind, room=room, **fields.get(kind, {})) == "not_joined"


NO_NAMES = {
    "nothing": "",
    "capital": "Room",
    "dash-first": "-a",
    "underscore-first": "_a",
    "space": "a b",
    "slash": "a/b",
    "umlaut": "ä",
    "too-long": "a" * 65,
    "newline-after": "a\n",
    "colon": "a:b",
    "braces": "{0}",
    "dots": "..",
    "null": None,
    "number": 7,
}


@pytest.mark.parametrize("case", NO_NAMES)
async def test_names_outside_the_rules_are_malformed(case: str, lone: Backend, enter: Enter) -> None:
    ada = await enter(lone)
    await ada.send(json.dumps({"type": "join", "ref": 1, "room": NO_NAMES[case]}))
    await ada.until(lambda: ada.loose)
    error = ada.loose[0].error
    assert error is not None
    assert (ada.loose[0].ref, error.code) == (1, "malformed")
    assert "room" in error.message


async def test_a_hundred_rooms_can_be_joined_and_no_more(site: Site, room: str, enter: Enter) -> None:
    ada = await enter(site.here)
    names = [f"{room}-{number}" for number in range(100)]
    await asyncio.gather(*(ada.join(name) for name in names))
    assert await ada.refused("join", room=f"{room}-100") == "forbidden"
    await ada.join(names[0])  # joining again is not one more
    await ada.result("leave", room=names[1])
    await ada.join(f"{room}-100")


async def test_rooms_do_not_see_each_other(site: Site, room: str, enter: Enter) -> None:
    ada, bob = await enter(site.here, room), await enter(site.there, f"{room}-b", name="Bob")
    await ada.post(room, "here")
    there = await bob.post(f"{room}-b", "there")
    await bob.reached(f"{room}-b", there)
    assert bob.ledger(f"{room}-b").texts == ["there"]
    assert not [push for push in bob.seen(Message) if push.room == room]
    assert not bob.seen(Reset)
