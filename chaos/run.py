"""One run: servers, a crowd, a fault while it chats, quiet, an audit, and the check of what was written down."""

import asyncio
import contextlib
import json
import random
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from chaos.audit import Auditor, health
from chaos.checker import check
from chaos.client import Door
from chaos.closing import audit, settle
from chaos.crowd import Crowd, Load
from chaos.faults import HISTORY, Fault, Scene
from chaos.findings import Finding, Verdict
from chaos.history import RUN, History, Json
from chaos.recovery import recovery
from chaos.resources import Footprint, footprint
from stack.redis import RedisServer
from stack.up import Stack

SITES: Final = {"async": ("async",), "sync": ("sync",), "mixed": ("async", "sync")}
SECRET: Final = "signs the sessions of a crowd and of nobody else"  # noqa: S105 - for servers that nobody else reaches
PROMISED: Final = 1.0
"""Seconds within which a command is answered, whatever happens to Redis."""
ALLOWANCE: Final = 0.5
"""Seconds on top of that, for a machine that does other things as well."""
SETTINGS: Final = {
    "CHAT_SECRET": SECRET,
    "CHAT_COMMAND_RATE": "0",
    "CHAT_HISTORY": str(HISTORY),
    "CHAT_DRAIN_SECONDS": "1",
    "CHAT_PING_INTERVAL": "3",
    "CHAT_PING_TIMEOUT": "3",
}
"""What backends are told: no limits that a crowd would meet, and silence noticed sooner than by default."""
_TROUBLE: Final = re.compile(r"Traceback|\bERROR\b|\bCRITICAL\b|Exception ignored|never retrieved|WORKER TIMEOUT")
_KILLED: Final = re.compile(r"Worker \(pid:\d+\) was sent SIGKILL")


@dataclass(frozen=True, slots=True)
class Scale:
    """How long and how much. ``before`` and ``after`` are seconds of chat around the fault."""

    load: Load = field(default_factory=Load)
    before: float = 2.0
    hold: float = 10.0
    after: float = 4.0
    pace: float = 1.0


@dataclass(slots=True)
class Result:
    """What a run came to. ``recovered`` is None where somebody never got anything new."""

    fault: str
    site: str
    seed: int
    directory: Path
    verdict: Verdict
    recovered: float | None


@contextlib.asynccontextmanager
async def servers(
    site: str, directory: Path, workers: int = 1, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Stack]:
    """Run the servers of a site; their data and logs go into ``directory``."""
    stack = Stack(SITES[site], data_dir=directory, workers=workers, settings={**SETTINGS, **(settings or {})})
    await asyncio.to_thread(stack.start)
    try:
        yield stack
    finally:
        await asyncio.to_thread(stack.stop)


async def run(fault: Fault, site: str, seed: int, scale: Scale, directory: Path) -> Result:
    """Start servers, do one fault to them, and return what was found. ``directory`` gets the records."""
    async with servers(site, directory / "servers", fault.workers) as stack:
        result = await play(stack, fault, site, seed, scale, directory)
    result.verdict.findings += complaints(stack)
    return result


async def play(stack: Stack, fault: Fault, site: str, seed: int, scale: Scale, directory: Path) -> Result:
    """Do one fault to servers that run, and return what was found. ``directory`` gets the records."""
    stage = Stage(stack, fault, f"{fault.name}-{site}-{seed}", scale, directory)
    await stage.play()
    # In a thread: other runs go on beside this one, whose answers would seem late.
    verdict = await asyncio.to_thread(_judge, directory)
    verdict.findings += stage.findings
    if fault.keeps_sockets and verdict.account.slowest_answer > PROMISED + ALLOWANCE:
        slow = f"a write was answered after {verdict.account.slowest_answer:.2f} s; promised is {PROMISED:g} s"
        verdict.findings.append(_finding("slow", None, slow))
    if fault.within is not None and (stage.recovered is None or stage.recovered > fault.within + ALLOWANCE):
        late = f"somebody got nothing new for {stage.recovered} s; promised is {fault.within:g} s"
        verdict.findings.append(_finding("late", None, late))
    return Result(fault.name, site, seed, directory, verdict, stage.recovered)


def _judge(directory: Path) -> Verdict:
    return check(History.load(directory))


def complaints(stack: Stack) -> list[Finding]:
    """Return what backends that have ended complained of."""
    found = []
    for backend in stack.backends.values():
        lines = backend.log_path.read_text(errors="replace").splitlines()
        bad = [line for line in lines if _TROUBLE.search(line) and not _KILLED.search(line)]
        found += [_finding("complaint", backend.name, line) for line in bad[:3]]
    return found


def _finding(kind: str, client: str | None, explanation: str) -> Finding:
    return Finding(kind, "", None, None, client, explanation)


class Stage:
    """A crowd on servers, and one fault. ``findings`` are those that records do not tell."""

    def __init__(self, stack: Stack, fault: Fault, name: str, scale: Scale, directory: Path) -> None:
        if not isinstance(stack.redis, RedisServer):
            raise TypeError("a Redis of somebody else is not ours to hurt")
        directory.mkdir(parents=True, exist_ok=True)
        self.findings: list[Finding] = []
        self.recovered: float | None = None
        self._fault = fault
        self._scale = scale
        self._directory = directory
        self._redis = stack.redis
        self._backends = list(stack.backends.values())
        doors = [Door(backend.name, backend.ws_url) for backend in self._backends]
        load = replace(scale.load, restless=0) if fault.keeps_sockets else scale.load
        self._crowd = Crowd(doors, SECRET, directory, name, load, scale.pace)
        self._scene = Scene(stack.redis, self._backends, self._crowd, random.Random(name), scale.hold, directory)
        self._auditor = Auditor(SECRET)
        self._span = (0.0, 0.0)

    async def play(self) -> None:
        """Let the crowd come, chat, suffer, come to rest and go."""
        for backend in self._backends:  # a worker that replaces a killed one may still be on its way
            await asyncio.to_thread(backend.wait_ready)
        idle = await asyncio.to_thread(self._footprint)
        try:
            await self._crowd.arrive()
            self._crowd.begin()
            await asyncio.sleep(self._scale.before)
            await self._inflict()
            await asyncio.sleep(self._scale.after)
            self.findings += await settle(self._crowd, self._backends, self._auditor)
            self._end()
            await audit(self._crowd, self._backends, self._auditor, self._directory)
        finally:
            await self._crowd.stop()
        records = {client.name: client.recorder.records for client in self._crowd.present}
        self.recovered = recovery(records, self._span[1])
        await self._look_for_leaks(idle)
        if self._fault.keeps_sockets:
            self._look_for_cuts()
        self._save()

    async def _inflict(self) -> None:
        began, watch = time.monotonic(), asyncio.create_task(self._watch_health())
        await self._fault.inflict(self._scene)
        self._span = began, time.monotonic()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)

    async def _watch_health(self) -> None:
        """See that backends answer while it is not them that are hurt."""
        while self._fault.keeps_sockets:
            for backend in self._backends:
                try:
                    took = await asyncio.to_thread(health, backend)
                except OSError as error:
                    self.findings.append(_finding("slow", backend.name, f"/healthz did not answer: {error}"))
                else:
                    if took > PROMISED:
                        self.findings.append(_finding("slow", backend.name, f"/healthz took {took:.2f} s"))
            await asyncio.sleep(0.1)

    def _end(self) -> None:
        self._crowd.end()
        for ghostwriter in self._scene.ghostwriters:
            ghostwriter.end()

    def _footprint(self) -> Footprint:
        return footprint(self._backends, self._redis)

    async def _look_for_leaks(self, idle: Footprint, within: float = 15.0) -> None:
        """Wait until the servers are as they were before anybody came."""
        deadline = time.monotonic() + within
        while too_much := (await asyncio.to_thread(self._footprint)).beyond(idle):
            if time.monotonic() > deadline:
                self.findings.append(_finding("leaked", None, too_much))
                return
            await asyncio.sleep(0.25)

    def _look_for_cuts(self) -> None:
        for client in self._crowd.clients:
            for record in client.recorder.records:
                if record.did == "lost" and record.what["by"] == "server":
                    self.findings.append(_finding("cut", client.name, f"closed by the server: {record.what['code']}"))

    def _save(self) -> None:
        """Write down what was done, beside what the clients wrote."""
        losses = [(loss.since, loss.until) for loss in self._scene.losses]
        what: Json = {"fault": self._fault.name, "span": self._span, "losses": losses}
        (self._directory / RUN).write_text(json.dumps(what))
