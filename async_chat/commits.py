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
PACE: Final = 0.003
"""Least seconds between the beginnings of two batches. An idle bus commits at once; a busy one makes fewer, larger
batches, whose cost beside the commands (the call, the fsync, the publication, the flush) is shared by more."""


class Ticket:
    """One command in a queue, and the task that waits for its outcome."""

    __slots__ = ("_done", "_outcome", "taken_at", "write")

    def __init__(self, write: Write) -> None:
        self.write = write
        self.taken_at = time.monotonic()
        self._done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def settle(self, outcome: Outcome) -> None:
        """Wake the one who waits, unless it was cancelled."""
        if not self._done.done():
            self._done.set_result(outcome)

    async def wait(self) -> Outcome:
        """Return the outcome; raise Unavailable where it is unknown."""
        outcome = await self._done
        if outcome == "unavailable":
            raise Unavailable
        return outcome


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
        ticket = Ticket(write)
        self._waiting[shard].append(ticket)
        if shard not in self._committers:
            self._committers[shard] = asyncio.create_task(self._commit_waiting(shard))
        return await ticket.wait()

    async def _commit_waiting(self, shard: int) -> None:
        began = float("-inf")
        while self._waiting[shard]:
            if (pause := began + PACE - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            began, waiting = time.monotonic(), self._waiting[shard]
            batch, self._waiting[shard] = waiting[: log.MAX_BATCH], waiting[log.MAX_BATCH :]
            try:
                outcomes = await self._commit_batch(shard, batch)
            except (Unavailable, TimeoutError):
                outcomes = ["unavailable"] * len(batch)
            for ticket, outcome in zip(batch, outcomes, strict=True):
                ticket.settle(outcome)
        del self._committers[shard]

    async def _commit_batch(self, shard: int, batch: list[Ticket]) -> list[Outcome]:
        began = time.monotonic()
        arguments = log.commit_arguments(shard, self._history, [ticket.write for ticket in batch])
        # Whoever came first waits longest, so its time is what the batch has; a batch that waited did so for one that
        # was slow, and what follows one that got no answer is refused at once.
        async with asyncio.timeout(batch[0].taken_at + COMMIT_TIMEOUT - began):
            results = await self._run("commit", arguments)
        self._metrics.committed(len(batch), time.monotonic() - began)
        return [log.outcome(result) for result in results]
