"""Group commit: what arrives while one batch is under way goes into the next, and each gets its own outcome."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from chat_core import log
from chat_core.log import Outcome, Unavailable, Write
from chat_core.metrics import Metrics
from chat_core.settings import Settings

logger = logging.getLogger(__name__)

QUEUE_TIMEOUT: Final = 0.4
"""Seconds that a command may wait for its batch to begin; after that it is not sent, but told `unavailable`."""
PACE: Final = 0.003
"""Least seconds between the beginnings of two batches. An idle bus commits at once; a busy one makes fewer, larger
batches, whose cost beside the commands (the call, the fsync, the publication, the flush) is shared by more."""

Settle = Callable[[Outcome], None]
"""Is told the outcome, once, by the task that commits: it must not raise."""


class Ticket:
    """One command in a queue, and who is told its outcome."""

    __slots__ = ("settle", "taken_at", "write")

    def __init__(self, write: Write, settle: Settle) -> None:
        self.write = write
        self.settle = settle
        self.taken_at = time.monotonic()


class Commits:
    """The batches of one process, one under way per shard. ``commit`` asks Redis, for a shard."""

    def __init__(
        self, commit: Callable[[int, Sequence[Any]], Awaitable[Any]], settings: Settings, metrics: Metrics
    ) -> None:
        self._commit = commit
        self._history = settings.history
        self._metrics = metrics
        self._waiting: list[list[Ticket]] = [[] for _ in range(settings.shards)]
        self._wanted = [asyncio.Event() for _ in range(settings.shards)]
        self._committers: dict[int, asyncio.Task[None]] = {}
        self._stopped = False

    async def stop(self) -> None:
        """Let the batches under way end."""
        self._stopped = True
        for wanted in self._wanted:
            wanted.set()
        await asyncio.gather(*self._committers.values())

    def submit(self, shard: int, write: Write, settle: Settle) -> None:
        """Have ``write`` written; its outcome is `unavailable` where that is unknown."""
        self._waiting[shard].append(Ticket(write, settle))
        if shard not in self._committers:
            self._committers[shard] = asyncio.create_task(self._commit_waiting(shard))
        self._wanted[shard].set()

    async def _commit_waiting(self, shard: int) -> None:
        began = float("-inf")
        while batch := await self._next_batch(shard, began + PACE):
            began = time.monotonic()
            late = [ticket for ticket in batch if ticket.taken_at + QUEUE_TIMEOUT < began]
            await self._commit_batch(shard, batch[len(late) :])
            for ticket in late:
                ticket.settle("unavailable")

    async def _next_batch(self, shard: int, at: float) -> list[Ticket]:
        """Wait until there is something to commit, but not before the time ``at``; empty once stopped."""
        while not self._waiting[shard] and not self._stopped:
            self._wanted[shard].clear()
            await self._wanted[shard].wait()
        if (pause := at - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        waiting = self._waiting[shard]
        batch, self._waiting[shard] = waiting[: log.MAX_BATCH], waiting[log.MAX_BATCH :]
        return batch

    async def _commit_batch(self, shard: int, batch: list[Ticket]) -> None:
        began = time.monotonic()
        outcomes: list[Outcome] = ["unavailable"] * len(batch)
        try:
            if batch:
                arguments = log.commit_arguments(shard, self._history, [ticket.write for ticket in batch])
                outcomes = [log.outcome(result) for result in await self._commit(shard, arguments)]
                self._metrics.committed(len(batch), time.monotonic() - began)
        except Unavailable:
            pass
        except Exception:
            logger.exception("a batch of commits failed; its outcome is unknown")
        for ticket, outcome in zip(batch, outcomes, strict=True):
            ticket.settle(outcome)
