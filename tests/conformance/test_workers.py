"""Several workers behind one listener are one backend."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncGenerator, Iterator

import httpx
import psutil
import pytest
from websockets.exceptions import InvalidStatus

from stack.backends import Backend
from tests.conformance.conftest import PROFILES
from tests.conformance.together import Together, until
from tests.wire.client import Chat, Notice, PresencePush
from tests.wire.doors import Doors
from tests.wire.people import fresh_room, sign_in
from tests.wire.rest import Rest
from tests.wire.servers import Servers, Site

MOST = 60


@pytest.fixture(scope="module")
def together(servers: Servers) -> Iterator[Together]:
    servers.backend("async")  # so that Redis runs
    backends = [servers.unstarted(name, workers=2, settings={"CHAT_DRAIN_SECONDS": "1"}) for name in PROFILES]
    for backend in backends:
        backend.launch()
    for backend in backends:
        backend.wait_ready()
    yield Together([Site(backend.name, backend, backend, servers.redis) for backend in backends])
    for backend in backends:
        backend.terminate()
    for backend in backends:
        backend.wait(15)


def _served(backend: Backend) -> dict[int, int]:
    """Connections by process."""
    counts = {}
    for pid in backend.pids():
        with contextlib.suppress(psutil.NoSuchProcess):
            sockets = psutil.Process(pid).net_connections("tcp")
            if count := sum(s.status == "ESTABLISHED" and s.laddr.port == backend.port for s in sockets):
                counts[pid] = count
    return counts


async def _fill_both(backend: Backend, room: str, doors: Doors) -> list[Chat]:
    members: list[Chat] = []
    while len(await asyncio.to_thread(_served, backend)) < 2:
        assert len(members) < MOST, "one worker takes everything"
        members += await asyncio.gather(*(doors.enter(backend, room, name=f"M{n}") for n in range(4)))
    return members


async def _two_workers(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room, backend = fresh_room(), site.here
    members = await _fill_both(backend, room, doors)
    last = [await member.post(room, f"{number}") for number, member in enumerate(members)][-1]
    for member in members:
        await member.reached(room, last)
        assert member.ledger(room).keys[-1][1] == last.offset
    await members[0].expect(PresencePush, lambda push: push.count == len(members))
    metrics = await asyncio.to_thread(http.get, f"{backend.url}/metrics")
    assert f"chat_connections_open {len(members):.1f}" in metrics.text, "one scrape counts all workers"
    yield


@pytest.mark.parametrize("profile", PROFILES)
def test_both_workers_take_connections_and_messages_cross(profile: str, together: Together) -> None:
    together.tell(_two_workers, profile)


async def _a_stuck_worker(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    backend = site.here
    await _fill_both(backend, fresh_room(), doors)
    stuck = max(await asyncio.to_thread(_served, backend))

    def readiness() -> int:
        """Asked until the other worker answers."""
        with contextlib.suppress(httpx.HTTPError):
            return http.get(f"{backend.url}/readyz", timeout=0.3).status_code
        return 0

    os.kill(stuck, signal.SIGSTOP)
    try:
        await until(lambda: readiness() == 503, within=12)
    finally:
        os.kill(stuck, signal.SIGCONT)
    await until(lambda: readiness() == 200, within=12)
    yield


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_a_backend_is_ready_only_while_all_its_workers_are(profile: str, together: Together) -> None:
    together.tell(_a_stuck_worker, profile)


async def _a_drained_worker(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room, backend = fresh_room(), site.here
    members = await _fill_both(backend, room, doors)
    served = await asyncio.to_thread(_served, backend)
    drained, before = max(served), len(await asyncio.to_thread(backend.pids))
    os.kill(drained, signal.SIGTERM)
    notices = await asyncio.gather(*(_told_to_go(member) for member in members))
    assert sum(notices) == served[drained]
    newcomers = await asyncio.gather(*(doors.enter(backend, room, name=f"N{n}") for n in range(6)))
    assert [await member.ended() for member, told in zip(members, notices, strict=True) if told] == [1012] * sum(
        notices
    )
    stayed = [member for member, told in zip(members, notices, strict=True) if not told]
    last = await newcomers[0].post(room, "without it")
    for member in (*stayed, *newcomers):
        await member.reached(room, last)
    await until(lambda: drained not in backend.pids(), within=8)
    await until(lambda: len(backend.pids()) == before, within=8)
    yield


@pytest.mark.parametrize("profile", PROFILES)
def test_a_stop_while_workers_begin_does_not_wait_out_the_grace(profile: str, servers: Servers) -> None:
    servers.backend("async")  # so that Redis runs
    backend = servers.unstarted(profile, workers=2, settings={"CHAT_DRAIN_SECONDS": "20"})
    backend.launch()
    try:
        while len(backend.pids()) < 3:  # the workers have been made, but do not heed signals yet
            assert backend.running
        backend.terminate()
        began = time.monotonic()
        assert backend.wait(15) == 0
        assert time.monotonic() - began < 10, "of 25 s"
    finally:
        backend.kill()


async def _told_to_go(member: Chat) -> bool:
    with contextlib.suppress(AssertionError):
        return (await member.expect(Notice, within=1.5)).notice == "draining"
    return False


@pytest.mark.parametrize("profile", PROFILES)
def test_a_drained_worker_leaves_the_door_to_the_other_and_is_replaced(profile: str, together: Together) -> None:
    together.tell(_a_drained_worker, profile)


async def _a_stopped_pair(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    backend, who = site.here, sign_in(http, site.here.url, "Late")
    members = await _fill_both(backend, fresh_room(), doors)
    for _ in range(8):  # on both workers, or all but surely: peers that never close keep the drain going for a while
        await doors.dial(backend)
    backend.terminate()
    await asyncio.gather(*(member.expect(Notice) for member in members))
    for _ in range(3):  # either worker may take it
        with pytest.raises(InvalidStatus) as refused:
            await doors.enter(backend, person=who)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"]
    assert {await member.ended() for member in members} == {1012}
    await until(lambda: not backend.running, within=8)
    assert backend.returncode == 0
    yield


async def _a_killed_worker(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room, backend = fresh_room(), site.here
    members = await _fill_both(backend, room, doors)
    before = [await member.post(room, f"{number}") for number, member in enumerate(members)][-1]
    killed = max(await asyncio.to_thread(_served, backend))
    os.kill(killed, signal.SIGKILL)
    survivors: list[Chat] = []
    for member in members:
        with contextlib.suppress(TimeoutError):
            assert await member.ended(within=0.5 if survivors else 2) == 1006
            continue
        survivors.append(member)
    assert survivors
    assert len(survivors) < len(members)
    after = await survivors[0].post(room, "still here")
    for member in survivors:
        await member.reached(room, after)
    back = await doors.enter(backend)
    result = await back.join(room)
    assert result.offset == after.offset == before.offset + 1
    yield


@pytest.mark.parametrize("profile", PROFILES)
def test_a_killed_worker_takes_only_its_own_connections(profile: str, together: Together) -> None:
    together.tell(_a_killed_worker, profile)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_backend_that_stops_with_all_its_workers_answers_newcomers(profile: str, together: Together) -> None:
    together.tell(_a_stopped_pair, profile)


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


async def _a_beheaded_backend(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    backend = site.here
    if not backend.running:
        await asyncio.to_thread(backend.start)
    members = await _fill_both(backend, fresh_room(), doors)
    workers = [psutil.Process(pid) for pid in await asyncio.to_thread(_served, backend)]
    os.kill(backend.pid, signal.SIGKILL)
    assert {await member.ended() for member in members} == {1012}
    await until(lambda: not any(map(_alive, workers)), within=8)
    await asyncio.to_thread(backend.start)  # on the same port
    yield


@pytest.mark.parametrize("profile", PROFILES)
def test_workers_whose_master_was_killed_send_their_members_away_and_end(profile: str, together: Together) -> None:
    together.tell(_a_beheaded_backend, profile)
