"""Limits: how many connections and commands, and that whoever meets one hurts nobody else."""

import asyncio
import json
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from stack.backends import Backend
from tests.conformance.conftest import PROFILES, Dial, Enter, SignIn
from tests.wire.client import Chat, Message, fresh_id
from tests.wire.raw import CLOSE, TEXT, frame
from tests.wire.rest import Rest
from tests.wire.servers import Servers

RATE, BURST = 2, 10
CAPACITY = 4


@pytest.fixture(scope="module", params=PROFILES)
def tight(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Backend]:
    """A backend for four connections, two per user, of which each may write ten times and then twice a second."""
    servers.backend(request.param)  # so that Redis runs
    settings = {"CHAT_MAX_CONNECTIONS_PER_USER": "2", "CHAT_COMMAND_RATE": str(RATE), "CHAT_COMMAND_BURST": str(BURST)}
    settings |= {"CHAT_THREADS": "20"} if request.param == "sync" else {"CHAT_MAX_CONNECTIONS": str(CAPACITY)}
    with servers.unstarted(request.param, settings=settings) as backend:
        yield backend


async def _admitted(backend: Backend, person: object, enter: Enter) -> Chat:
    """Enter as soon as there is room: who was here before may still be on the way out."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return await enter(backend, person=person)
        except InvalidStatus:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


async def test_one_connection_too_many_is_told_at_once(
    tight: Backend, enter: Enter, sign_in_at: SignIn, http: Rest
) -> None:
    people = [sign_in_at(tight) for _ in range(CAPACITY + 1)]
    inside = [await _admitted(tight, person, enter) for person in people[:CAPACITY]]
    began = time.monotonic()
    with pytest.raises(InvalidStatus) as caught:
        await enter(tight, person=people[-1])
    assert time.monotonic() - began < 1
    response = caught.value.response
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    asked = http.get(f"{tight.url}/api/session", headers=people[-1].headers)
    assert (asked.status_code, asked.json()["type"]) == (503, "urn:tandem:problem:full")
    assert asked.headers["retry-after"]
    for _ in range(20):
        assert http.get(f"{tight.url}/healthz", timeout=0.5).status_code == 200
    await inside[0].close()
    await _admitted(tight, people[-1], enter)


async def test_one_user_may_not_take_all_connections(tight: Backend, enter: Enter, sign_in_at: SignIn) -> None:
    person = sign_in_at(tight)
    for _ in range(2):
        await _admitted(tight, person, enter)
    with pytest.raises(InvalidStatus) as caught:
        await enter(tight, person=person)
    assert caught.value.response.status_code == 503
    assert caught.value.response.headers["Retry-After"]
    await _admitted(tight, sign_in_at(tight), enter)


async def test_a_burst_is_limited_and_told_when_to_go_on(
    tight: Backend, room: str, enter: Enter, sign_in_at: SignIn
) -> None:
    ada = await _admitted(tight, sign_in_at(tight), enter)
    await ada.join(room)
    replies = await asyncio.gather(*(ada.command("post", room=room, id=fresh_id(), text="a") for _ in range(BURST + 5)))
    assert all(reply.error is None for reply in replies[:BURST])
    errors = [reply.error for reply in replies if reply.error]
    assert errors
    for error in errors:
        assert (error.code, 0 < (error.retry_after or 0) <= 1 / RATE) == ("rate_limited", True)
    await ada.result("typing", room=room)  # other budgets are not touched
    await asyncio.gather(*(ada.join(f"{room}-{number}") for number in range(99)))
    await asyncio.sleep(errors[-1].retry_after or 0)
    assert (await ada.post(room, "again")).offset


async def test_a_flood_of_refused_commands_ends_the_connection(
    tight: Backend, room: str, enter: Enter, dial: Dial, sign_in_at: SignIn
) -> None:
    bystander = await _admitted(tight, sign_in_at(tight), enter)
    await bystander.join(room)
    peer = await dial(tight)
    peer.command("join", room=room)
    await peer.reply()
    for number in range(1000):
        peer.command("post", ref=number + 2, room=room, id=f"flood-{number}", text="flood")
    refused = 0
    while (received := await peer.receive()).opcode != CLOSE:
        refused += received.opcode == TEXT and b'"rate_limited"' in received.payload
    assert (received.code, refused >= 200) == (4501, True)
    await bystander.post(room, "calm")
    await bystander.expect(Message, lambda message: message.text == "calm")
    assert len(bystander.ledger(room).entries) < 100


async def test_two_hundred_refusals_end_the_connection_whatever_succeeds_between_them(
    tight: Backend, room: str, dial: Dial
) -> None:
    peer = await dial(tight)
    peer.command("join", room=room)
    await peer.reply()
    good = frame(TEXT, json.dumps({"type": "typing", "ref": 2, "room": room}).encode())
    peer.write((good + frame(TEXT, b"{}") * 3) * 100)
    refused, done = 0, 0
    while (received := await peer.receive()).opcode != CLOSE:
        refused += b'"malformed"' in received.payload
        done += b'"result"' in received.payload
    assert received.code == 4501
    assert 200 <= refused < 250, "some are forgotten meanwhile"
    assert done >= 60


def test_rest_is_limited_per_user(tight: Backend, room: str, http: Rest, sign_in_at: SignIn) -> None:
    def post(headers: dict[str, str]) -> httpx.Response:
        return http.post(
            f"{tight.url}/api/rooms/{room}/messages", json={"id": fresh_id(), "text": "a"}, headers=headers
        )

    ada, bob = sign_in_at(tight), sign_in_at(tight, "Bob")
    statuses = {post(ada.headers).status_code for _ in range(BURST)}
    refused = next(answer for answer in (post(ada.headers) for _ in range(20)) if answer.status_code != 201)
    assert statuses == {201}
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:tandem:problem:rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
    assert post(bob.headers).status_code == 201
