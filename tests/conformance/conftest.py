"""One suite for every way to run a backend. It speaks HTTP and WebSocket and knows nothing of what is behind them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio

from stack.backends import Backend
from tests.wire.client import Chat, Position, place
from tests.wire.doors import Doors
from tests.wire.people import Person, fresh_room, sign_in
from tests.wire.raw import RawPeer
from tests.wire.rest import Rest
from tests.wire.servers import Servers, Site, site_of

PROFILES = ("async", "async-portable", "sync", "sync-gevent")
PAIRINGS = ("async+sync", "sync+async")

Enter = Callable[..., Awaitable[Chat]]
Fill = Callable[[str, list[str]], Awaitable[Position]]
Dial = Callable[..., Awaitable[RawPeer]]
SignIn = Callable[..., Person]


@pytest.fixture(scope="session", params=[*PROFILES, *PAIRINGS])
def site(request: pytest.FixtureRequest, servers: Servers) -> Site:
    """Where a test takes place. Rooms and people are the test's own; the servers are not."""
    return site_of(servers, request.param)


@pytest.fixture(scope="session", params=PROFILES)
def lone(request: pytest.FixtureRequest, servers: Servers) -> Backend:
    """One backend, for what a second could not change."""
    return servers.backend(request.param)


@pytest.fixture
def room() -> str:
    """The name of a room that nobody has seen yet."""
    return fresh_room()


@pytest.fixture
def sign_in_at(http: Rest) -> SignIn:
    """Begin a session at a backend as a new user."""

    def begin(backend: Backend, name: str = "Ada") -> Person:
        return sign_in(http, backend.url, name)

    return begin


@pytest_asyncio.fixture
async def doors(http: Rest) -> AsyncIterator[Doors]:
    """Opens connections, which are closed at the end."""
    async with Doors(http) as opened:
        yield opened


@pytest.fixture
def enter(doors: Doors) -> Enter:
    """Open a connection to a backend, as a new user or as ``person``, and join a room if one is named."""
    return doors.enter


@pytest_asyncio.fixture
async def fill(site: Site, enter: Enter) -> Fill:
    """Post texts to a room as ten people at once, on both backends, and return the last position."""

    async def post_all(room: str, texts: list[str]) -> Position:
        crowd = [await enter(backend, room, name="Crowd") for backend in (site.here, site.there) * 5]

        async def speak(chat: Chat, own: list[str]) -> Position:
            return place([await chat.post(room, text) for text in own][-1])

        ends = await asyncio.gather(*(speak(chat, texts[start::10]) for start, chat in enumerate(crowd)))
        for chat in crowd:
            await chat.result("leave", room=room)
        return max(ends, key=lambda end: end.offset)

    return post_all


@pytest.fixture
def dial(doors: Doors) -> Dial:
    """Open a WebSocket that follows no rules, as a new user or as ``person``."""
    return doors.dial


@pytest.fixture
def browser() -> Iterator[Rest]:
    """A client for REST that keeps cookies, as a browser does."""
    with Rest(cookies=True) as client:
        yield client
