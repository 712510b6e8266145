"""More connections at once than may open: those beyond are told when to come back, and get in then."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from stack.backends import Backend
from tests.hostile.conftest import PROFILES
from tests.wire.people import signed
from tests.wire.raw import RawPeer, handshake
from tests.wire.rest import Rest
from tests.wire.servers import Servers

RATE, BURST = 20, 10


@pytest.fixture(params=PROFILES)
def paced(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Backend]:
    """A backend that lets in ten at once and twenty a second."""
    if not servers.redis.running:
        servers.redis.start()
    settings = {"CHAT_CONNECTION_RATE": str(RATE), "CHAT_CONNECTION_BURST": str(BURST)}
    with servers.unstarted(request.param, settings=settings) as backend:
        yield backend


async def test_storm_is_paced(paced: Backend, http: Rest) -> None:
    peers = [await RawPeer.dial(paced.ws_url) for _ in range(60)]
    person = signed()
    began = time.monotonic()
    answers = await asyncio.gather(*(peer.ask(handshake(paced.ws_url, person.token)) for peer in peers))
    passed = time.monotonic() - began
    inside = [headers for status, headers in answers if status == 101]
    outside = [headers for status, headers in answers if status == 503]
    assert len(inside) + len(outside) == 60
    assert BURST <= len(inside) <= BURST + RATE * passed + 1
    assert all(int(headers["retry-after"]) == 1 for headers in outside)
    while (asked := http.get(f"{paced.url}/api/session", headers=person.headers)).status_code == 503:
        assert asked.json()["type"] == "urn:tandem:problem:full"
        assert time.monotonic() - began < 5
    peer = await RawPeer.open(paced.ws_url, person.token)
    assert 'chat_handshakes_total{outcome="too_fast"}' in http.get(f"{paced.url}/metrics").text
    for one in (*peers, peer):
        await one.close()
