"""What the monitor learns of the stack, and that pages which are open already are told."""

import asyncio
import json
from pathlib import Path
from typing import Any

from loadtest.monitor.counters import Report, Worker
from loadtest.monitor.stack_link import StackLink
from loadtest.monitor.watch import Target, Watch

SERVER = {
    "name": "async",
    "title": "FastAPI chat",
    "model": "asgi",
    "url": "http://127.0.0.1:1",
    "pid": None,
    "workers": 1,
    "hurt": False,
}


async def stack_of(directory: Path, *servers: dict[str, Any]) -> asyncio.Server:
    """What answers at the control socket of a stack that runs these."""

    async def describe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(json.dumps({"redis": None, "servers": servers}).encode() + b"\n")
        writer.close()

    return await asyncio.start_unix_server(describe, directory / "control")


async def test_a_load_may_begin_before_the_first_tick(tmp_path: Path) -> None:
    watch = Watch(str(tmp_path / "stats"), StackLink(str(tmp_path / "control")), {}, None)
    async with await stack_of(tmp_path, SERVER | {"pid": 2}, SERVER | {"name": "sync"}):
        assert await watch.addresses() == {"async": SERVER["url"]}, "those that are up"


async def test_pages_are_told_of_backends_that_were_not_known_when_they_opened(tmp_path: Path) -> None:
    stack = await stack_of(tmp_path, SERVER)
    watch = Watch(str(tmp_path / "stats"), StackLink(str(tmp_path / "control")), {}, None)
    told: asyncio.Queue[list[dict[str, str]]] = asyncio.Queue()
    watch.changed = lambda: told.put_nowait(watch.sides)
    ticks: asyncio.Queue[str] = asyncio.Queue()
    async with stack, asyncio.timeout(10):
        assert watch.sides == []
        ticking = asyncio.create_task(watch.tick_forever(ticks.put_nowait))
        for _ in range(2):
            await ticks.get()
        ticking.cancel()
    assert told.qsize() == 1, "once, not with every tick"
    assert [side["label"] for side in told.get_nowait()] == ["async"]


async def test_a_backend_is_frozen_as_soon_as_all_of_its_workers_are(tmp_path: Path) -> None:
    watch = Watch(str(tmp_path / "stats"), StackLink(str(tmp_path / "control")), {}, None)
    target = Target("sync", "Flask chat", "wsgi", "http://127.0.0.1:1", pid=1, expected=2)
    workers = [Worker(Report("sync", f"w{pid}", pid, 1, 1.0, {}, {}), None, 1.0) for pid in (2, 3)]
    assert watch._state(target, workers, [1, 2, 3], {}) == "frozen"
    assert watch._state(target, workers, [2], {}) == "live"
    assert watch._state(target, [], [1, 2, 3], {}) == "frozen"
