"""What is done to the servers while people chat. Each fault ends when everything that is needed runs again."""

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from redis import Redis

from chaos.crowd import Crowd
from chaos.history import Loss, Recorder
from chat_core import keys, log
from chat_core.frames import Post, User
from chat_core.log import Author
from stack.backends import Backend
from stack.redis import RedisServer

HISTORY: Final = 1_000_000
"""Entries of a room's log: nothing is to be trimmed before it is audited."""


@dataclass(slots=True)
class Scene:
    """Where a fault happens. ``hold`` is how many seconds it lasts where it lasts."""

    redis: RedisServer
    backends: list[Backend]
    crowd: Crowd
    rng: random.Random
    hold: float
    directory: Path
    losses: list[Loss] = field(default_factory=list)
    ghostwriters: list[Recorder] = field(default_factory=list)

    @property
    def victim(self) -> Backend:
        """One of the backends."""
        return self.rng.choice(self.backends)

    async def pause(self, share: float = 1.0) -> None:
        """Let time pass: some of ``hold``."""
        await asyncio.sleep(self.hold * share)


@dataclass(frozen=True, slots=True)
class Fault:
    """``keeps_sockets``: no connection may end of it, and every answer comes within the time promised.

    ``within`` is how many seconds after its end everybody must have got something new; None where nothing is promised.
    """

    name: str
    title: str
    inflict: Callable[[Scene], Awaitable[None]]
    workers: int = 1
    keeps_sockets: bool = False
    within: float | None = None


# ---- backends -------------------------------------------------------------------------------------------------------


async def _kill_backend(scene: Scene) -> None:
    victim = scene.victim
    scene.crowd.present[-1].retire()  # somebody whose machine dies at the same time: no ghost of them may stay
    await asyncio.to_thread(victim.kill)
    await scene.pause(0.3)
    await asyncio.to_thread(victim.start)


async def _kill_worker(scene: Scene) -> None:
    os.kill(await asyncio.to_thread(busiest_worker, scene.victim), signal.SIGKILL)


async def _drain_worker(scene: Scene) -> None:
    os.kill(await asyncio.to_thread(busiest_worker, scene.victim), signal.SIGTERM)
    await scene.pause()


async def _freeze_backend(scene: Scene) -> None:
    victim = scene.victim
    victim.freeze()
    await scene.pause()
    victim.thaw()


async def _drain(scene: Scene) -> None:
    for backend in scene.backends:
        backend.terminate()
        await asyncio.to_thread(backend.wait, 15.0)
        await asyncio.to_thread(backend.start)


def busiest_worker(backend: Backend) -> int:
    """Return the process of a backend that has the most connections."""
    counts: dict[int, int] = {}
    for pid in backend.pids():
        with suppress(psutil.NoSuchProcess):
            sockets = psutil.Process(pid).net_connections("tcp")
            counts[pid] = sum(s.status == "ESTABLISHED" and s.laddr.port == backend.port for s in sockets)
    return max(counts, key=lambda pid: counts[pid])


# ---- Redis ----------------------------------------------------------------------------------------------------------


async def _freeze_redis(scene: Scene) -> None:
    scene.redis.freeze()
    await scene.pause()
    scene.redis.thaw()


async def _kill_redis(scene: Scene) -> None:
    await asyncio.to_thread(scene.redis.kill)
    await scene.pause(0.3)
    await asyncio.to_thread(scene.redis.start)


async def _cut_redis(scene: Scene) -> None:
    """As after a power failure that took the last writes, in the middle of one."""
    since, size = time.monotonic(), scene.redis.append_only_file().stat().st_size
    await scene.pause(0.5)
    await asyncio.to_thread(scene.redis.kill)
    scene.losses.append(Loss(since, time.monotonic()))
    path = scene.redis.append_only_file()
    os.truncate(path, scene.rng.randint(size, path.stat().st_size))
    await asyncio.to_thread(scene.redis.start)


async def _restore_redis(scene: Scene) -> None:
    """An older copy of the data is put back."""
    since, copy = time.monotonic(), scene.directory / "older.aof"
    await asyncio.to_thread(shutil.copyfile, scene.redis.append_only_file(), copy)
    await scene.pause(0.7)
    await asyncio.to_thread(scene.redis.kill)
    scene.losses.append(Loss(since, time.monotonic()))
    copy.replace(scene.redis.append_only_file())
    await scene.pause(0.3)
    await asyncio.to_thread(scene.redis.start)


async def _empty_redis(scene: Scene) -> None:
    await asyncio.to_thread(scene.redis.kill)
    scene.losses.append(Loss(0.0, time.monotonic()))
    scene.redis.lose_data()
    await asyncio.to_thread(scene.redis.start)


async def _flush_redis(scene: Scene) -> None:
    with Redis.from_url(scene.redis.url) as client:
        client.flushall()
    scene.losses.append(Loss(0.0, time.monotonic()))


# ---- connections ----------------------------------------------------------------------------------------------------


async def _cut_clients(scene: Scene) -> None:
    for _ in range(3):
        for client in scene.crowd.present:
            if scene.rng.random() < 0.7:
                client.cut()
        await scene.pause(0.3)


async def _vanish_clients(scene: Scene) -> None:
    for client in scene.crowd.present:
        if scene.rng.random() < 0.5:
            client.vanish()
    await scene.pause(0.5)


async def _cut_subscriptions(scene: Scene) -> None:
    await _kill_clients(scene, "pubsub")


async def _cut_commands(scene: Scene) -> None:
    await _kill_clients(scene, "normal")


async def _kill_clients(scene: Scene, kind: str) -> None:
    with Redis.from_url(scene.redis.url) as client:
        for _ in range(3):
            client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            await scene.pause(0.3)


async def _lose_publications(scene: Scene) -> None:
    """Entries come into the log whose publication nobody gets, also in a room where nothing follows that shows it."""
    quiet = f"{scene.crowd.rooms[0]}-quiet"
    rooms = [*scene.crowd.rooms, quiet]
    for client in scene.crowd.present:
        client.join(quiet)
    for client in scene.crowd.present:
        await client.rooms[quiet].live.wait()
    recorder = Recorder(scene.directory / "ghostwriter.jsonl")
    scene.ghostwriters.append(recorder)
    recorder.note("connect", {"user": "ghostwriter", "name": "Ghostwriter", "to": "redis"})
    with Redis.from_url(scene.redis.url) as client:
        for number in range(6):
            _write_unpublished(client, recorder, rooms[number % len(rooms)], number, scene)
            await scene.pause(0.1)
        _write_unpublished(client, recorder, quiet, 6, scene)


def _write_unpublished(client: Redis, recorder: Recorder, room: str, ref: int, scene: Scene) -> None:
    post = Post(type="post", ref=ref, room=room, id=f"ghost-{ref}", text=f"unheard {ref}")
    recorder.note("send", post.model_dump(exclude_none=True))
    write = log.write(post, Author.of(User(id="ghostwriter", name="Ghostwriter"), moderator=False))
    arguments = log.commit_arguments(keys.shard_of(room, 1), HISTORY, [write])
    arguments[2] = "nobody-listens-here"
    outcome = log.outcome(client.eval(log.script("commit").source, 1, *arguments)[0])
    if isinstance(outcome, log.Committed):
        result = {"epoch": outcome.epoch, "offset": outcome.offset, "duplicate": outcome.duplicate}
        recorder.note("receive", {"type": "reply", "ref": ref, "result": result})
        scene.crowd.due[room] = outcome.epoch, outcome.offset


FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault("kill-backend", "a backend is killed (-9) and started again", _kill_backend, within=2.0),
        Fault("kill-worker", "one of two workers is killed (-9)", _kill_worker, workers=2, within=2.0),
        Fault("drain", "every backend in turn is told to stop, and started again", _drain),
        Fault("drain-worker", "one of two workers is told to stop", _drain_worker, workers=2),
        Fault("freeze-backend", "a backend is stopped and goes on later", _freeze_backend),
        Fault("freeze-redis", "Redis is stopped and goes on later", _freeze_redis, keeps_sockets=True, within=2.0),
        Fault("kill-redis", "Redis is killed (-9) and started again with all it had", _kill_redis, keeps_sockets=True),
        Fault("cut-redis", "Redis is killed, and the end of its file is lost", _cut_redis, keeps_sockets=True),
        Fault("restore-redis", "Redis gets back an older copy of its data", _restore_redis, keeps_sockets=True),
        Fault("empty-redis", "Redis is killed, and its data is lost", _empty_redis, keeps_sockets=True),
        Fault("flush-redis", "FLUSHALL", _flush_redis, keeps_sockets=True),
        Fault("cut-clients", "clients' connections are reset", _cut_clients),
        Fault("vanish-clients", "clients fall silent, with their connections open", _vanish_clients),
        Fault("cut-subscriptions", "Redis cuts its subscribers", _cut_subscriptions, keeps_sockets=True),
        Fault("cut-commands", "Redis cuts all other connections", _cut_commands, keeps_sockets=True),
        Fault("lose-publications", "publications are lost without a word", _lose_publications, keeps_sockets=True),
    )
}
"""The matrix, by name."""
