"""Clients come and go for long, and nothing that the servers hold grows with them."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.client import Door
from chaos.crowd import Crowd, Load
from chaos.matrix import Say
from chaos.resources import Footprint, footprint
from chaos.run import SECRET, servers
from stack.redis import RedisServer
from stack.up import Stack

LOAD: Final = Load(clients=24, rooms=4, rate=16.0, restless=0.5)
SETTLED: Final = 1 / 6
"""The share of the time after which what the servers hold is taken as their level: minute 5 of 30."""
SAMPLES: Final = 30
MEMORY_SLACK: Final = 1.1
"""By how much memory may grow over the level: allocators keep what they had in a busy moment."""
MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Sample:
    minute: float
    held: dict[str, Footprint]


async def soak(minutes: float, directory: Path, say: Say) -> int:
    """Let a restless crowd chat on both backends; return 1 if anything is above the level of the beginning."""
    async with servers("mixed", directory / "servers", settings={"CHAT_HISTORY": "2000"}) as stack:
        doors = [Door(backend.name, backend.ws_url) for backend in stack.backends.values()]
        crowd = Crowd(doors, SECRET, None, "soak", LOAD, pace=0.2)
        try:
            await crowd.arrive()
            crowd.begin()
            samples = await _watch(stack, minutes, say)
            await crowd.hush()
        finally:
            await crowd.stop()
    grown = _grown(samples)
    for line in grown:
        say(line)
    say(f"{minutes:g} minutes: " + ("something grows." if grown else "nothing grows."))
    return 1 if grown else 0


async def _watch(stack: Stack, minutes: float, say: Say) -> list[_Sample]:
    assert isinstance(stack.redis, RedisServer)  # noqa: S101 - servers() starts our own
    samples: list[_Sample] = []
    began, step = time.monotonic(), minutes * 60 / SAMPLES
    say(f"{'minute':>6}  {'backend':<8}{'threads':>8}{'descriptors':>13}{'MB':>8}{'subscriptions':>15}")
    for number in range(1, SAMPLES + 1):
        await asyncio.sleep(max(0.0, began + number * step - time.monotonic()))
        held = {
            name: await asyncio.to_thread(footprint, [backend], stack.redis) for name, backend in stack.backends.items()
        }
        samples.append(_Sample(number * step / 60, held))
        for name, one in held.items():
            figures = f"{one.threads:>8}{one.descriptors:>13}{one.memory / MEGABYTE:>8.1f}{one.subscriptions:>15}"
            say(f"{samples[-1].minute:>6.1f}  {name:<8}{figures}")
    return samples


def _grown(samples: list[_Sample]) -> list[str]:
    """Say what is above its level: the end against the level, each as the median of three samples."""
    level, end = round(len(samples) * SETTLED), len(samples)
    lines = []
    for backend in samples[0].held:
        for name in ("threads", "descriptors", "memory", "subscriptions"):
            then = _median(samples[max(0, level - 2) : level + 1], backend, name)
            now = _median(samples[end - 3 :], backend, name)
            most = {"memory": then * MEMORY_SLACK, "subscriptions": then}.get(name, then + LOAD.clients / 2)
            if now > most:
                lines.append(f"{backend}: {name} were {then}, and are {now}")
    return lines


def _median(samples: list[_Sample], backend: str, name: str) -> int:
    values = sorted(int(getattr(sample.held[backend], name)) for sample in samples)
    return values[len(values) // 2]
