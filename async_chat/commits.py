"""Group commit: what arrives while one batch is under way goes into the next, and each gets its own outcome."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from chat_core import log
from chat_core.log import Outcome, Unavailable, Write
from chat_core.metrics import Metrics
from chat_core.settings import Settings

COMMIT_TIMEOUT: Final = 0.9
"""Seconds after which a command is told `unavailable`, however long the queue before it was."""

Ticket = tuple[Write, "asyncio.Future[Outcome]"]


class Commits:
    """The batches of one process, one under way per shard. ``run`` asks Redis."""

    def __init__(
        self, run: Callable[[str, Sequence[Any]], Awaitable[Any]], settings: Settings, metrics: Metrics
    ) -> None:
        self._run = run
        self._history = settings.history
        self._metrics = metrics
        self._waiting: list[list[Ticket]] = [[] for _ in range(settings.shards)]
        self._committers: dict[int, asyncio.Task[None]] = {}

    async def stop(self) -> None:
        """Let the batches under way end."""
        await asyncio.gather(*self._committers.values())

    async def commit(self, shard: int, write: Write) -> Outcome:
        """Return what became of ``write``; raise Unavailable where that is unknown."""
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[shard].append((write, done))
        if shard not in self._committers:
            self._committers[shard] = asyncio.create_task(self._commit_waiting(shard))
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                return await done
        except TimeoutError:
            raise Unavailable from None

    async def _commit_waiting(self, shard: int) -> None:
        while waiting := self._waiting[shard]:
            batch, self._waiting[shard] = waiting[: log.MAX_BATCH], waiting[log.MAX_BATCH :]
            try:
                outcomes = await self._commit_batch(shard, batch)
            except Unavailable:
                outcomes = ["unavailable"] * len(batch)
            for (_, done), outcome in zip(batch, outcomes, strict=True):
                _settle(done, outcome)
        del self._committers[shard]

    async def _commit_batch(self, shard: int, batch: list[Ticket]) -> list[Outcome]:
        began = time.monotonic()
        results = await self._run("commit", log.commit_arguments(shard, self._history, [write for write, _ in batch]))
        self._metrics.committed(len(batch), time.monotonic() - began)
        return [log.outcome(result) for result in results]


def _settle(done: "asyncio.Future[Outcome]", outcome: Outcome) -> None:
    """Wake the one who waits, unless it has given up."""
    if done.done():
        return
    if outcome == "unavailable":
        done.set_exception(Unavailable())
    else:
        done.set_result(outcome)
