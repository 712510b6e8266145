"""A backend that is told to stop: everybody is told when to come back, nobody is left, and it ends in time."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stack.backends import Backend
from tests.conformance.conftest import PROFILES
from tests.conformance.together import Together, until
from tests.wire.client import Chat, Notice, fresh_id
from tests.wire.doors import Doors
from tests.wire.people import Person, fresh_room, sign_in
from tests.wire.raw import CLOSE, TEXT
from tests.wire.rest import Rest
from tests.wire.servers import Servers, Site

DRAIN = 1.0


@pytest.fixture(scope="module")
def together(servers: Servers) -> Together:
    backends = [servers.unstarted(name, settings={"CHAT_DRAIN_SECONDS": f"{DRAIN:g}"}) for name in PROFILES]
    return Together([Site(backend.name, backend, backend, servers.redis) for backend in backends])


@pytest.fixture(scope="module")
def elsewhere(servers: Servers) -> Together:
    """Backends that are about to stop, each beside one that goes on."""
    backends = [servers.unstarted(name, settings={"CHAT_DRAIN_SECONDS": "0"}) for name in PROFILES]
    return Together([Site(one.name, one, servers.backend("async"), servers.redis) for one in backends])


async def _a_stop(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    backend, room = site.here, fresh_room()
    await asyncio.to_thread(backend.start)
    try:
        await _stop_with_members(backend, room, doors, http)
    finally:
        await asyncio.to_thread(backend.kill)
    yield


async def _stop_with_members(backend: Backend, room: str, doors: Doors, http: Rest) -> None:
    members = [await doors.enter(backend, room, name=f"M{number}") for number in range(5)]
    mute = await doors.dial(backend)
    who = sign_in(http, backend.url, "Late")
    await members[0].post(room, "soon gone")
    began = time.monotonic()
    backend.terminate()
    notices = [await member.expect(Notice) for member in members]
    assert {notice.notice for notice in notices} == {"draining"}
    waits = [notice.reconnect_in for notice in notices]
    assert all(wait is not None and 0 <= wait <= DRAIN for wait in waits), waits
    assert len(set(waits)) == len(waits), "they are not to come back all at once"
    await _turned_away(backend, doors, who, http)
    assert [await member.ended() for member in members] == [1012] * len(members)
    assert time.monotonic() - began < DRAIN + 3
    assert (await mute.receive()).opcode == TEXT  # the notice
    closing = await mute.receive()
    assert (closing.opcode, closing.code) == (CLOSE, 1012)
    await until(lambda: not backend.running, within=15)
    assert backend.returncode == 0


async def _turned_away(backend: Backend, doors: Doors, who: Person, http: Rest) -> None:
    """While the members are sent away, newcomers get an answer."""
    with pytest.raises(InvalidStatus) as refused:
        await doors.enter(backend, person=who)
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"]
    for path, status in (("/readyz", 503), ("/api/session", 503), ("/healthz", 503), ("/api/rooms", 200)):
        answer = await asyncio.to_thread(http.get, backend.url + path, headers=who.headers)
        assert answer.status_code == status, path


@pytest.mark.parametrize("profile", PROFILES)
def test_a_stopped_backend_sends_everybody_away_in_time(profile: str, together: Together, servers: Servers) -> None:
    servers.backend("async")  # so that Redis runs
    together.tell(_a_stop, profile)


async def _a_stop_amid_talk(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    """What is under way when the server goes ends exactly once, by what the client does next elsewhere."""
    backend, elsewhere, room = site.here, site.there, fresh_room()
    await asyncio.to_thread(backend.start)
    try:
        witness = await doors.enter(elsewhere, room)
        people = [sign_in(http, elsewhere.url, f"S{number}") for number in range(4)]
        speakers = [await doors.enter(backend, room, person=person) for person in people]
        talks = [asyncio.create_task(_talk(chat, room)) for chat in speakers]
        await witness.until(lambda: len(witness.ledger(room).texts) > 20)
        backend.terminate()
        outcomes = await asyncio.gather(*talks)
        for person, (_, text) in zip(people, outcomes, strict=True):
            again = await doors.enter(elsewhere, room, person=person)
            await again.post(room, text, id=text)
        await witness.reached(room, await witness.post(room, "the last word"))
        said = [text for acknowledged, unanswered in outcomes for text in (*acknowledged, unanswered)]
        assert Counter(witness.ledger(room).texts) == Counter([*said, "the last word"])
    finally:
        await asyncio.to_thread(backend.stop)
    yield


async def _talk(chat: Chat, room: str) -> tuple[list[str], str]:
    """Write without a pause until sent away; returns what was acknowledged, and what was not answered any more."""
    acknowledged: list[str] = []
    while True:
        text = fresh_id()
        try:
            await chat.post(room, text, id=text)
        except (ConnectionError, ConnectionClosed):
            return acknowledged, text
        acknowledged.append(text)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_under_way_in_a_drain_ends_exactly_once(profile: str, elsewhere: Together) -> None:
    elsewhere.tell(_a_stop_amid_talk, profile)
