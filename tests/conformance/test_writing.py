"""Posting, editing, deleting, reacting: what comes of it, who may do it, and that the same id is the same act."""

import asyncio

import pytest

from chat_core.frames import Position
from tests.conformance.conftest import Enter, SignIn
from tests.wire.client import Deleted, Edited, Message, Reacted, fresh_id, place
from tests.wire.people import signed
from tests.wire.servers import Site


async def test_a_message_posted_on_one_backend_reaches_the_other(site: Site, room: str, enter: Enter) -> None:
    ada, bob = await enter(site.here, room), await enter(site.there, room, name="Bob")
    question = await ada.post(room, "Hello?", id="a-1")
    for chat in (ada, bob):
        message = await chat.expect(Message)
        assert (message.room, message.epoch, message.offset, message.id) == (
            room,
            question.epoch,
            question.offset,
            "a-1",
        )
        assert (message.user.name, message.text, message.reply_to) == ("Ada", "Hello?", None)
    answer = await bob.post(room, "Hello!", reply_to=place(question))
    message = await ada.expect(Message)
    assert (message.offset, message.user.name, message.reply_to) == (answer.offset, "Bob", place(question))


async def test_edits_deletions_and_reactions_reach_everybody(site: Site, room: str, enter: Enter) -> None:
    ada, bob = await enter(site.here, room), await enter(site.there, room, name="Bob")
    message = await ada.post(room, "first")
    await ada.edit(room, message, "second")
    await bob.react(room, message, "👍")
    await bob.react(room, message, "👍", on=False)
    last = await ada.delete(room, message)
    for chat in (ada, bob):
        await chat.reached(room, last)
        edited, deleted = await chat.expect(Edited), await chat.expect(Deleted)
        assert (edited.target, edited.text, deleted.target) == (place(message), "second", place(message))
        reactions = [await chat.expect(Reacted), await chat.expect(Reacted)]
        assert [(reaction.emoji, reaction.on, reaction.user.name) for reaction in reactions] == [
            ("👍", True, "Bob"),
            ("👍", False, "Bob"),
        ]
    assert ada.ledger(room).keys == bob.ledger(room).keys


async def test_a_reaction_that_changes_nothing_makes_no_entry(site: Site, room: str, enter: Enter) -> None:
    ada, bob = await enter(site.here, room), await enter(site.there, room, name="Bob")
    message = await ada.post(room, "hello")
    first = await ada.react(room, message, "👍")
    assert not first.duplicate
    for chat, on in ((ada, True), (bob, False)):
        result = await chat.react(room, message, "👍", on=on)
        assert (result.duplicate, result.offset) == (True, first.offset)
    last = await bob.react(room, message, "👍")
    assert last.offset == first.offset + 1


async def test_only_its_author_and_moderators_may_change_a_message(site: Site, room: str, enter: Enter) -> None:
    ada, bob = await enter(site.here, room), await enter(site.there, room, name="Bob")
    keeper = await enter(site.there, room, person=signed(name="Keeper", moderator=True))
    message = await ada.post(room, "mine")
    where = place(message)
    assert await bob.refused("edit", room=room, id=fresh_id(), target=where, text="yours") == "forbidden"
    assert await bob.refused("delete", room=room, id=fresh_id(), target=where) == "forbidden"
    await keeper.edit(room, message, "tamed")
    last = await keeper.delete(room, message)
    await ada.reached(room, last)
    assert [entry.user.name for entry in ada.ledger(room).entries] == ["Ada", "Keeper", "Keeper"]


@pytest.mark.parametrize("kind", ["edit", "delete", "react"])
async def test_what_is_not_there_cannot_be_changed(kind: str, site: Site, room: str, enter: Enter) -> None:
    ada = await enter(site.here, room)
    message = await ada.post(room, "hello")
    deletion = await ada.delete(room, message)
    extra = {"edit": {"text": "late"}, "react": {"emoji": "👍"}}.get(kind, {})
    cases = {
        "deleted": (place(message), "gone"),
        "no message": (place(deletion), "gone"),
        "never there": (Position(epoch=message.epoch, offset=99), "gone"),
        "other epoch": (Position(epoch="0" * 16, offset=message.offset), "stale_epoch"),
    }
    for case, (target, code) in cases.items():
        assert await ada.refused(kind, room=room, id=fresh_id(), target=target, **extra) == code, case


async def test_the_same_id_is_one_message_wherever_it_is_sent(
    site: Site, room: str, enter: Enter, sign_in_at: SignIn
) -> None:
    ada = sign_in_at(site.here)
    here, there = await enter(site.here, room, person=ada), await enter(site.there, room, person=ada)
    first = await here.post(room, "once", id="once")
    again = await there.post(room, "once", id="once")
    both = await asyncio.gather(here.post(room, "twice", id="twice"), there.post(room, "twice", id="twice"))
    assert (first.duplicate, again.duplicate, again.offset, again.epoch) == (False, True, first.offset, first.epoch)
    assert {result.duplicate for result in both} == {False, True}
    assert both[0].offset == both[1].offset == first.offset + 1
    bob = await enter(site.there, room, name="Bob")
    other = await bob.post(room, "once", id="once")
    assert not other.duplicate, "an id is its user's own"
    for chat in (here, there):
        await chat.reached(room, other)
        assert chat.ledger(room).texts == ["once", "twice", "once"]


async def test_an_id_stands_for_one_content(site: Site, room: str, enter: Enter, sign_in_at: SignIn) -> None:
    ada = sign_in_at(site.here)
    here, there = await enter(site.here, room, person=ada), await enter(site.there, room, person=ada)
    message = await here.post(room, "this", id="one")
    where = place(message)
    assert await there.refused("post", room=room, id="one", text="that") == "id_conflict"
    assert await there.refused("post", room=room, id="one", text="this", reply_to=where) == "id_conflict"
    assert await there.refused("delete", room=room, id="one", target=where) == "id_conflict"
    deletion = await here.delete(room, message, id="two")
    again = await there.delete(room, message, id="two")
    assert (again.offset, again.duplicate) == (deletion.offset, True)


async def test_a_retry_after_a_lost_connection_is_recognised(
    site: Site, room: str, enter: Enter, sign_in_at: SignIn
) -> None:
    ada = sign_in_at(site.here)
    chat, bob = await enter(site.here, room, person=ada), await enter(site.there, room, name="Bob")
    await chat.send(f'{{"type":"post","ref":1,"room":"{room}","id":"retry","text":"is it there?"}}')
    seen = await bob.expect(Message)
    chat.abandon()
    back = await enter(site.there, room, person=ada)
    result = await back.post(room, "is it there?", id="retry")
    assert (result.offset, result.epoch, result.duplicate) == (seen.offset, seen.epoch, True)


async def test_the_clock_of_a_log_does_not_run_backwards(site: Site, room: str, enter: Enter) -> None:
    ada, bob = await enter(site.here, room), await enter(site.there, room, name="Bob")
    ends = [await chat.post(room, "tick") for chat in (ada, bob, ada)]
    await ada.reached(room, ends[-1])
    times = [entry.at for entry in ada.ledger(room).entries]
    assert times == sorted(times)
