"""Whatever a few people do, in whatever order, on one backend or on two: the promise holds."""

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaos.audit import Auditor
from chaos.checker import check
from chaos.client import Client, Door
from chaos.closing import audit, settle
from chaos.crowd import Crowd, Load
from chaos.history import RUN, History
from chaos.run import SECRET, SITES, servers
from stack.up import Stack

PEOPLE, ROOMS = 3, 2
WRITES = ("post", "post", "post", "reply", "edit", "delete", "react", "unreact")
MOVES = ("join", "leave", "switch", "hang_up", "cut", "vanish", "rejoin")

Step = tuple[int, str, int, bool]
"""Who, what, in which room, and whether the others wait until it is done."""

steps = st.lists(
    st.tuples(st.integers(0, PEOPLE - 1), st.sampled_from((*WRITES, *MOVES)), st.integers(0, ROOMS - 1), st.booleans()),
    min_size=5,
    max_size=40,
)
numbers = itertools.count()


class People:
    """Carries out steps. What one person writes is done one after another; moves happen in the midst of it."""

    def __init__(self, stack: Stack, name: str, directory: Path) -> None:
        self._backends = list(stack.backends.values())
        doors = [Door(backend.name, backend.ws_url) for backend in self._backends]
        self._directory = directory
        self._crowd = Crowd(doors, SECRET, directory, name, Load(PEOPLE, ROOMS), pace=0.1)
        self._writing: dict[Client, asyncio.Task[Any]] = {}
        self._ids = itertools.count()

    async def live_through(self, sequence: list[Step]) -> list[str]:
        """Return what was found."""
        try:
            await self._crowd.arrive()
            for who, what, where, wait in sequence:
                await self._step(self._crowd.clients[who], what, self._crowd.rooms[where], wait)
            async with asyncio.timeout(20):
                await asyncio.gather(*self._writing.values())
            found = await settle(self._crowd, self._backends, Auditor(SECRET))
            self._crowd.end()
            await audit(self._crowd, self._backends, Auditor(SECRET), self._directory)
        finally:
            await self._crowd.stop()
        (self._directory / RUN).write_text('{"losses": []}')
        return [str(finding) for finding in found + check(History.load(self._directory)).findings]

    async def _step(self, client: Client, what: str, room: str, wait: bool) -> None:
        if what in WRITES:
            before = self._writing.get(client)
            task = self._writing[client] = asyncio.create_task(self._write(client, what, room, before))
            if wait:
                await asyncio.wait([task], timeout=3)
        elif what in ("join", "leave"):
            if (what == "leave") == (room in client.rooms):
                if client in self._writing:
                    await asyncio.wait([self._writing[client]], timeout=10)
                if what == "join":
                    client.join(room)
                else:
                    await client.leave(room)
        elif what == "rejoin":
            if room in client.rooms:
                client.rooms[room].go_astray()
        else:
            getattr(client, what)()
            await asyncio.sleep(0.05 if wait else 0)

    async def _write(self, client: Client, what: str, room: str, before: asyncio.Task[Any] | None) -> None:
        if before:
            await asyncio.wait([before])
        if room not in client.rooms:
            return
        id, messages = f"{client.name}-{next(self._ids)}", list(client.rooms[room].messages)
        if what == "post" or not messages:
            await client.insist("post", room, id, text=f"said in {id}")
            return
        at, _ = messages[-1]
        target = {"epoch": at[0], "offset": at[1]}
        choice: dict[str, dict[str, Any]] = {
            "reply": {"text": f"said in {id}", "reply_to": target},
            "edit": {"target": target, "text": f"edited by {id}"},
            "delete": {"target": target},
            "react": {"target": target, "emoji": "👍", "on": True},
            "unreact": {"target": target, "emoji": "👍", "on": False},
        }
        await client.insist({"reply": "post", "unreact": "react"}.get(what, what), room, id, **choice[what])


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.AbstractEventLoop, dict[str, Stack]]]:
    directory, loop = tmp_path_factory.mktemp("sequences"), asyncio.new_event_loop()
    running = contextlib.AsyncExitStack()
    quick = {"CHAT_PING_INTERVAL": "1", "CHAT_PING_TIMEOUT": "1"}

    async def start() -> dict[str, Stack]:
        opened = (running.enter_async_context(servers(site, directory / site, settings=quick)) for site in SITES)
        return dict(zip(SITES, await asyncio.gather(*opened), strict=True))

    yield loop, loop.run_until_complete(start())
    loop.run_until_complete(running.aclose())
    loop.close()


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(sequence=steps)
def test_any_sequence_of_what_people_do_keeps_the_promise(
    sequence: list[Step], stacks: tuple[asyncio.AbstractEventLoop, dict[str, Stack]]
) -> None:
    loop, by_site = stacks
    name = f"s{next(numbers)}"

    async def live_everywhere(directories: list[Path]) -> list[list[str]]:
        everywhere = zip(by_site.values(), directories, strict=True)
        return await asyncio.gather(*(People(stack, name, own).live_through(sequence) for stack, own in everywhere))

    with tempfile.TemporaryDirectory() as directory:
        directories = [Path(directory) / site for site in by_site]
        for own in directories:
            own.mkdir()
        found = loop.run_until_complete(live_everywhere(directories))
    assert dict(zip(SITES, found, strict=True)) == {site: [] for site in SITES}
