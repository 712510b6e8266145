"""Redis killed, cut short, frozen and emptied while people chat: nothing is ever silently missing."""

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Iterator

import pytest
from redis import Redis

from stack.redis import RedisServer
from tests.conformance.conftest import PROFILES
from tests.conformance.persistence import insist, join_again, refused_fast
from tests.conformance.together import Together, until
from tests.wire.client import Chat, Message, Notice, PresencePush, Reset, fresh_id, place
from tests.wire.doors import Doors
from tests.wire.people import Person, fresh_room, sign_in
from tests.wire.rest import Rest
from tests.wire.servers import Servers, Site, site_of

SITES = (*PROFILES, "async+sync")

each_site = pytest.mark.parametrize("site_name", SITES)


class Victim:
    """The Redis of these tests, and what is done to it."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis
        self._size = 0

    def remember(self) -> None:
        """What is written from now on will be lost."""
        self._size = self.redis.append_only_file().stat().st_size

    def lose_the_end(self) -> None:
        """Kill Redis with -9 and start it again, as after a power failure that took the last writes."""
        self.redis.kill()
        os.truncate(self.redis.append_only_file(), self._size)
        self.redis.start()

    def freeze(self) -> None:
        self.redis.freeze()

    def thaw(self) -> None:
        self.redis.thaw()

    def empty(self) -> None:
        """FLUSHALL."""
        with Redis.from_url(self.redis.url) as client:
            client.flushall()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, server_logs: object) -> Iterator[Servers]:
    """Servers of our own, since they are about to be hurt."""
    hurt = Servers(tmp_path_factory.mktemp("faulty"), server_logs)  # type: ignore[arg-type]
    for profile in PROFILES:
        hurt.backend(profile)
    yield hurt
    hurt.stop()


@pytest.fixture(scope="module")
def together(faulty: Servers) -> Together:
    return Together([site_of(faulty, name) for name in SITES])


@pytest.fixture(scope="module")
def victim(faulty: Servers) -> Victim:
    return Victim(faulty.redis)


async def _a_lost_end(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room, quiet = fresh_room(), fresh_room()
    ada, bob = await doors.enter(site.here, room), await doors.enter(site.there, room, name="Bob")
    for chat in (ada, bob):
        await chat.join(quiet)
    away = place(await ada.post(room, "away from here"))
    kept = [await ada.post(room, f"kept {number}") for number in range(3)]
    undisturbed = await ada.post(quiet, "undisturbed")
    yield
    lost = [await ada.post(room, f"lost {number}") for number in range(3)]
    for chat in (ada, bob):
        await chat.reached(room, lost[-1])
        await chat.reached(quiet, undisturbed)
    yield
    for chat in (ada, bob):  # they hold what the log no longer has, and are told
        reset = await chat.expect(Reset, within=8)
        assert (reset.room, reset.offset) == (room, kept[-1].offset)
        assert reset.epoch != lost[-1].epoch
    before = await doors.enter(site.there)
    assert await join_again(before, room, away)
    assert before.ledger(room).texts == ["kept 0", "kept 1", "kept 2"]
    assert not await join_again(ada, room, place(lost[0]))
    again = await insist(ada, room, "again")
    assert (again.epoch, again.offset) not in {(result.epoch, result.offset) for result in lost}
    assert again.offset > kept[-1].offset
    await before.reached(room, again)
    assert before.ledger(room).texts[-1] == "again"
    assert not await join_again(bob, room, place(lost[-1])), "the old epoch ended below"

    after = await insist(ada, quiet, "still undisturbed")
    await bob.reached(quiet, after)
    assert bob.ledger(quiet).texts == ["undisturbed", "still undisturbed"]
    assert (after.offset, after.epoch != undisturbed.epoch) == (undisturbed.offset + 1, True)
    assert not [reset for reset in bob.seen(Reset) if reset.room == quiet]
    late = await doors.enter(site.here)
    assert await join_again(late, quiet, place(undisturbed))
    assert late.ledger(quiet).texts == ["still undisturbed"]


@each_site
def test_what_redis_lost_is_told_and_what_it_kept_goes_on(site_name: str, together: Together, victim: Victim) -> None:
    together.tell(_a_lost_end, site_name, victim.remember, victim.lose_the_end)


async def _a_frozen_redis(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room, person = fresh_room(), sign_in(http, site.here.url, "Ada")
    ada, bob = await doors.enter(site.here, room, person=person), await doors.enter(site.there, room, name="Bob")
    carol, dave = await doors.enter(site.here, room), await doors.enter(site.there, room)
    before = await ada.post(room, "before")
    yield
    await asyncio.gather(  # before anybody knows that Redis does not answer
        refused_fast(ada, "post", room=room, id="held", text="held"),
        refused_fast(bob, "join", room=fresh_room()),
        refused_fast(carol, "read", room=room, **place(before).model_dump()),
        refused_fast(dave, "typing", room=room),
    )
    for chat in (ada, bob):
        assert (await chat.expect(Notice, within=10)).notice == "degraded"
        await refused_fast(chat, "join", room=fresh_room())
        await refused_fast(chat, "typing", room=room)
    await refused_fast(ada, "post", room=room, id="held", text="held")
    await _unready(site, person, http)
    yield
    assert (await ada.expect(Notice, within=8)).notice == "restored"
    held = await insist(ada, room, "held", id="held")
    after = await insist(ada, room, "after")
    await bob.reached(room, after)
    assert bob.ledger(room).texts == ["before", "held", "after"]
    assert (held.offset, after.offset) == (before.offset + 1, before.offset + 2)
    for backend in site.backends:
        await until(lambda at=backend: http.get(f"{at.url}/readyz").status_code == 200)  # type: ignore[misc]


async def _unready(site: Site, person: Person, http: Rest) -> None:
    for backend in site.backends:
        await until(lambda at=backend: http.get(f"{at.url}/readyz").status_code == 503)  # type: ignore[misc]
        assert http.get(f"{backend.url}/readyz").json()["type"] == "urn:tandem:problem:not_ready"
        began = time.monotonic()
        assert http.get(f"{backend.url}/healthz").status_code == 200
        assert http.get(f"{backend.url}/api/session", headers=person.headers).status_code == 200
        assert time.monotonic() - began < 1
        for method, path in (("GET", "/api/rooms"), ("POST", f"/api/rooms/{fresh_room()}/messages")):
            body = {"id": fresh_id(), "text": "a"} if method == "POST" else None
            answer = http.request(method, backend.url + path, headers=person.headers, json=body)
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:tandem:problem:unavailable")
            assert answer.headers["retry-after"]


@each_site
def test_a_frozen_redis_is_told_at_once_and_doubles_nothing(site_name: str, together: Together, victim: Victim) -> None:
    together.tell(_a_frozen_redis, site_name, victim.freeze, victim.thaw)


async def _a_short_freeze(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room = fresh_room()
    ada, bob = await doors.enter(site.here, room), await doors.enter(site.there, room, name="Bob")
    await ada.post(room, "before")
    yield
    waiting = asyncio.create_task(ada.refused("post", room=room, id="held", text="held"))
    assert await waiting == "unavailable"
    yield
    result = await insist(ada, room, "held", id="held")
    await ada.reached(room, result)
    await bob.reached(room, result)
    assert bob.ledger(room).texts == ada.ledger(room).texts == ["before", "held"]
    assert not bob.seen(Reset)


@each_site
def test_a_command_given_up_on_is_carried_out_at_most_once(site_name: str, together: Together, victim: Victim) -> None:
    together.tell(_a_short_freeze, site_name, victim.freeze, victim.thaw)


async def _an_emptied_redis(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room = fresh_room()
    ada, bob = await doors.enter(site.here, room), await doors.enter(site.there, room, name="Bob")
    old = [await ada.post(room, f"old {number}") for number in range(3)]
    await bob.reached(room, old[-1])
    yield
    anew = await insist(ada, room, "anew")
    assert anew.epoch != old[-1].epoch
    assert (await bob.expect(Reset, within=8)).room == room
    assert not await join_again(bob, room, place(old[-1]))
    later = await insist(ada, room, "later")
    await bob.reached(room, later)
    found = await (await doors.enter(site.here)).join(room)
    texts = [entry.text for entry in found.messages if isinstance(entry, Message)]
    assert texts == ["anew", "later"]


@each_site
def test_an_emptied_redis_starts_rooms_anew(site_name: str, together: Together, victim: Victim) -> None:
    together.tell(_an_emptied_redis, site_name, victim.empty)


async def _people_who_come_and_go_meanwhile(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room, person = fresh_room(), sign_in(http, site.here.url, "Ada")
    ada, bob = await doors.enter(site.here, room, person=person), await doors.enter(site.there, room, name="Bob")
    await ada.until(lambda: _present(ada) == {"Ada", "Bob"})
    yield
    bob.abandon()
    carol = await doors.enter(site.there, name="Carol")
    assert (await ada.expect(Notice, within=10)).notice == "degraded"
    yield
    await join_again(carol, room)
    await ada.until(lambda: _present(ada) == {"Ada", "Carol"}, within=8)
    found = http.get(f"{site.here.url}/api/rooms/{room}/members", headers=person.headers).json()
    assert sorted(user["name"] for user in found["users"]) == ["Ada", "Carol"]
    assert not [push for push in ada.seen(PresencePush) if person.id in push.leaves]


def _present(chat: Chat) -> set[str]:
    """Who is in the one room that ``chat`` has joined, by all that it was told; names are unique here."""
    present: dict[str, str] = {}
    for frame in map(json.loads, chat.frames):
        members = frame.get("members") or (frame.get("result") or {}).get("members")
        if members:
            present = {user["id"]: user["name"] for user in members["users"]}
        if frame["type"] == "presence":
            present.update({user["id"]: user["name"] for user in frame.get("joins", ())})
            present = {id: name for id, name in present.items() if id not in frame.get("leaves", ())}
    return set(present.values())


@each_site
def test_presence_is_right_again_after_an_outage(site_name: str, together: Together, victim: Victim) -> None:
    together.tell(_people_who_come_and_go_meanwhile, site_name, victim.freeze, victim.thaw)
