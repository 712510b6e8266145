"""Who is here, who is writing, and how far somebody has read."""

import asyncio
import json
import time

import pytest

from tests.conformance.conftest import PROFILES, Dial, Enter, Fill, SignIn
from tests.wire.client import PresencePush, ReadPush, TypingPush, place
from tests.wire.people import fresh_room
from tests.wire.rest import Rest
from tests.wire.servers import Servers, Site

SOON = 15.0
"""Seconds until even a change whose announcement was lost is known everywhere; mostly it takes two."""


async def test_members_see_each_other_come_and_go(
    site: Site, room: str, enter: Enter, sign_in_at: SignIn, http: Rest
) -> None:
    ada = await enter(site.here, room)
    person = sign_in_at(site.there, "Bob")
    bob = await enter(site.there, person=person)
    result = await bob.join(room)
    assert "Bob" in [user.name for user in result.members.users]
    push = await ada.expect(PresencePush, lambda push: "Bob" in [user.name for user in push.joins], within=SOON)
    assert push.count == 2

    carol = await (await enter(site.there, name="Carol")).join(room)
    assert sorted(user.name for user in carol.members.users) == ["Ada", "Bob", "Carol"]
    second = await enter(site.here, room, person=person)
    members = http.get(f"{site.here.url}/api/rooms/{room}/members", headers=person.headers).json()
    assert sorted(user["name"] for user in members["users"])[:2] == ["Ada", "Bob"]

    await bob.result("leave", room=room)  # still here by the other connection
    await ada.expect(
        PresencePush, lambda push: "Carol" in [user.name for user in push.joins] or push.count == 3, within=SOON
    )
    await second.result("leave", room=room)
    push = await ada.expect(PresencePush, lambda push: person.id in push.leaves, within=SOON)
    assert push.count == 2


@pytest.mark.slow
async def test_a_lost_connection_leaves_after_a_grace_of_five_seconds(servers: Servers, enter: Enter) -> None:
    async def lose(here: str, there: str) -> float:
        room = fresh_room()
        ada = await enter(servers.backend(here), room)
        bob = await enter(servers.backend(there), room, name="Bob")
        await ada.expect(PresencePush, lambda push: "Bob" in [user.name for user in push.joins], within=SOON)
        bob.abandon()
        lost = time.monotonic()
        await ada.expect(PresencePush, lambda push: push.leaves, within=12)
        return time.monotonic() - lost

    pairs = [*zip(PROFILES, PROFILES, strict=True), ("async", "sync"), ("sync", "async")]
    graces = await asyncio.gather(*(lose(here, there) for here, there in pairs))
    for pair, seconds in zip(pairs, graces, strict=True):
        assert 4 < seconds < 10, pair


@pytest.mark.slow
async def test_a_reconnect_within_the_grace_does_not_show(servers: Servers, enter: Enter, sign_in_at: SignIn) -> None:
    async def flicker(profile: str) -> list[PresencePush]:
        room, backend = fresh_room(), servers.backend(profile)
        person = sign_in_at(backend, "Bob")
        ada, bob = await enter(backend, room), await enter(backend, room, person=person)
        await ada.expect(PresencePush, lambda push: "Bob" in [user.name for user in push.joins], within=SOON)
        bob.abandon()
        await enter(backend, room, person=person)
        await enter(backend, room, name="Carol")
        await ada.expect(PresencePush, lambda push: "Carol" in [user.name for user in push.joins], within=SOON)
        return [push for push in ada.seen(PresencePush) if push.leaves]

    for pushes in await asyncio.gather(*map(flicker, PROFILES)):
        assert not pushes


@pytest.mark.slow
async def test_who_comes_during_a_long_replay_is_known_after_it(
    site: Site, room: str, enter: Enter, dial: Dial, fill: Fill
) -> None:
    ada = await enter(site.here, room)
    start = await ada.post(room, "start")
    last = await fill(room, [f"{number} {'x' * 3900}" for number in range(400)])
    bob = await dial(site.there, receive_buffer=8192)
    bob.command("join", room=room, since=place(start).model_dump())
    assert (await bob.reply())["result"]["more"], "and now bob reads no further"
    carol = await enter(site.there, room, name="Carol")
    await ada.expect(PresencePush, lambda push: "Carol" in [user.name for user in push.joins], within=SOON)
    offset, known = start.offset, set[str]()
    while offset < last.offset or "Carol" not in known:
        push = json.loads((await bob.receive()).payload)
        offset = max([offset, *(entry["offset"] for entry in push.get("messages", []))])
        users = push["members"]["users"] if push.get("members") else push.get("joins", [])
        known.update(user["name"] for user in users)
    assert carol.ledger(room).live


async def test_typing_is_told_to_the_others(site: Site, room: str, enter: Enter) -> None:
    ada, bob = await enter(site.here, room), await enter(site.there, room, name="Bob")
    await ada.result("typing", room=room)
    push = await bob.expect(TypingPush)
    assert (push.room, push.user.name) == (room, "Ada")
    last = await ada.post(room, "typed")
    await ada.reached(room, last)
    assert not ada.seen(TypingPush)


async def test_read_markers_go_to_ones_own_connections_and_never_back(
    site: Site, room: str, enter: Enter, sign_in_at: SignIn
) -> None:
    person = sign_in_at(site.here)
    phone, desk = await enter(site.here, room, person=person), await enter(site.there, room, person=person)
    bob = await enter(site.there, room, name="Bob")
    first, second = await bob.post(room, "one"), await bob.post(room, "two")
    await phone.result("read", room=room, **place(second).model_dump())
    push = await desk.expect(ReadPush)
    assert (push.room, push.epoch, push.offset) == (room, second.epoch, second.offset)
    await desk.result("read", room=room, **place(first).model_dump())
    third = await bob.post(room, "three")
    await phone.reached(room, third)
    await bob.reached(room, third)
    assert [push.offset for push in phone.seen(ReadPush)] == [second.offset]
    assert not bob.seen(ReadPush)
    assert (await (await enter(site.here, person=person)).join(room)).read == place(second)
    assert (await (await enter(site.here)).join(room)).read is None


async def test_only_places_of_the_log_can_be_read(site: Site, room: str, enter: Enter) -> None:
    ada = await enter(site.here, room)
    last = await ada.post(room, "one")
    assert await ada.refused("read", room=room, epoch=last.epoch, offset=last.offset + 1) == "gone"
    assert await ada.refused("read", room=room, epoch="0" * 16, offset=1) == "stale_epoch"
    assert await ada.refused("read", room=room, epoch="zero", offset=1) == "malformed"
    await ada.result("read", room=room, epoch=last.epoch, offset=0)
