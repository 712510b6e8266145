"""Publications that come late, in part or not at all: what is missing is found, and comes in its place."""

import re
from collections.abc import AsyncGenerator, Iterator

import pytest

from stack.backends import Backend
from tests.conformance.conftest import PROFILES
from tests.conformance.together import Story, Together, until
from tests.wire.client import Chat, Notice, fresh_id
from tests.wire.doors import Doors
from tests.wire.people import fresh_room
from tests.wire.redis_proxy import RedisProxy
from tests.wire.rest import Rest
from tests.wire.servers import Servers, Site


@pytest.fixture(scope="module")
def proxies(servers: Servers) -> Iterator[dict[str, RedisProxy]]:
    """One proxy for each backend, by profile, so that each can be asked what it has seen."""
    servers.backend("async")  # so that Redis runs
    opened = {profile: RedisProxy(servers.redis.url) for profile in PROFILES}
    for proxy in opened.values():
        proxy.__enter__()
    yield opened
    for proxy in opened.values():
        proxy.__exit__()


class Hurt:
    """Backends whose publications come through a proxy each, by profile, and what is told of them."""

    def __init__(self, servers: Servers, proxies: dict[str, RedisProxy]) -> None:
        self.proxies = proxies
        self.backends = [servers.unstarted(name, redis_url=proxy.url) for name, proxy in proxies.items()]
        self._together = Together([Site(one.name, one, one, servers.redis) for one in self.backends])

    def tell(self, story: Story, profile: str) -> None:
        self._together.tell(story, profile)

    async def half(self, site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
        """The end of a publication is slow on its way: what came before it is not kept waiting."""
        proxy, room = self.proxies[site.name], fresh_room()
        ada, bob = await _two_of(site, doors, room)
        before = proxy.subscriptions, counted(http, site.here, "bus_reconnects")
        first, second = fresh_id(), fresh_id()
        proxy.halve(second.encode())
        whole = await ada.post(room, "whole", id=first)
        parted = await ada.post(room, "parted", id=second)
        await until(lambda: proxy.holding)
        await bob.reached(room, whole)
        assert bob.ledger(room).texts[-1] == "whole"
        proxy.release()
        await bob.reached(room, parted)
        assert bob.ledger(room).texts == ["before", "whole", "parted"]
        assert (proxy.subscriptions, counted(http, site.here, "bus_reconnects")) == before
        yield

    async def gap(self, site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
        """A publication is gone, and the next one shows it."""
        proxy, room = self.proxies[site.name], fresh_room()
        ada, bob = await _two_of(site, doors, room)
        filled = counted(http, site.here, "gaps_filled")
        lost = fresh_id()
        proxy.lose(lost.encode())
        await ada.post(room, "lost", id=lost)
        await until(lambda: proxy.lost)
        proxy.lose(b"")
        await bob.reached(room, await ada.post(room, "next"))
        for chat in (ada, bob):
            assert chat.ledger(room).texts == ["before", "lost", "next"]
            assert not chat.seen(Notice), "nobody needs to be told"
        assert counted(http, site.here, "gaps_filled") == filled + 1
        yield

    async def silence(self, site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
        """A publication is gone, and nothing is said in the room afterwards: the next probe shows it."""
        proxy, room = self.proxies[site.name], fresh_room()
        ada, bob = await _two_of(site, doors, room)
        reconnects = counted(http, site.here, "bus_reconnects")
        lost = fresh_id()
        proxy.lose(lost.encode())
        await bob.reached(room, await ada.post(room, "lost", id=lost))
        assert proxy.lost
        assert bob.ledger(room).texts == ["before", "lost"]
        assert counted(http, site.here, "bus_reconnects") == reconnects
        assert not bob.seen(Notice)
        proxy.lose(b"")
        yield

    async def deafness(self, site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
        """Nothing comes any more on a connection that looks healthy: it is given up, and nothing is missing then."""
        proxy, room = self.proxies[site.name], fresh_room()
        ada, bob = await _two_of(site, doors, room)
        subscriptions = proxy.subscriptions
        proxy.lose(b"message")
        unseen = await ada.post(room, "unseen")
        for chat in (ada, bob):
            assert (await chat.expect(Notice, within=10)).notice == "degraded"
        assert http.get(f"{site.here.url}/readyz").status_code == 503
        await until(lambda: proxy.subscriptions > subscriptions)
        assert bob.ledger(room).texts == ["before"]
        proxy.lose(b"")
        for chat in (ada, bob):
            assert (await chat.expect(Notice, within=8)).notice == "restored"
        await bob.reached(room, unseen)
        await bob.reached(room, await ada.post(room, "after"))
        assert bob.ledger(room).texts == ada.ledger(room).texts == ["before", "unseen", "after"]
        assert http.get(f"{site.here.url}/readyz").status_code == 200
        yield


@pytest.fixture(scope="module")
def hurt(servers: Servers, proxies: dict[str, RedisProxy]) -> Iterator[Hurt]:
    told = Hurt(servers, proxies)
    for backend in told.backends:
        backend.launch()
    for backend in told.backends:
        backend.wait_ready()
    yield told
    for backend in told.backends:
        backend.terminate()
    for backend in told.backends:
        backend.wait(15)


def counted(http: Rest, backend: Backend, name: str) -> float:
    """Return the value of a counter of a backend."""
    found = re.search(rf"^chat_{name}_total (\S+)$", http.get(f"{backend.url}/metrics").text, re.MULTILINE)
    assert found, name
    return float(found[1])


async def _two_of(site: Site, doors: Doors, room: str) -> tuple[Chat, Chat]:
    ada, bob = await doors.enter(site.here, room), await doors.enter(site.there, room, name="Bob")
    await bob.reached(room, await ada.post(room, "before"))
    return ada, bob


each_profile = pytest.mark.parametrize("profile", PROFILES)


@each_profile
def test_half_a_publication_keeps_nothing_back_and_costs_no_connection(profile: str, hurt: Hurt) -> None:
    hurt.tell(hurt.half, profile)


@each_profile
def test_a_lost_publication_comes_in_its_place_before_the_next(profile: str, hurt: Hurt) -> None:
    hurt.tell(hurt.gap, profile)


@each_profile
def test_a_lost_publication_is_found_where_nothing_more_is_said(profile: str, hurt: Hurt) -> None:
    hurt.tell(hurt.silence, profile)


@each_profile
def test_a_subscription_that_has_gone_deaf_is_made_anew(profile: str, hurt: Hurt) -> None:
    hurt.tell(hurt.deafness, profile)
