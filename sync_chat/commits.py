"""Group commit: what arrives while one batch is under way goes into the next, and each gets its own outcome."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
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
"""Is told the outcome, once, by the thread that commits: it must neither wait nor raise."""


class Ticket:
    """One command in a queue, and who is told its outcome."""

    __slots__ = ("settle", "taken_at", "write")

    def __init__(self, write: Write, settle: Settle) -> None:
        self.write = write
        self.settle = settle
        self.taken_at = time.monotonic()


class Commits:
    """The batches of one process, one under way per shard. ``commit`` asks Redis, for a shard."""

    def __init__(self, commit: Callable[[int, Sequence[Any]], Any], settings: Settings, metrics: Metrics) -> None:
        self._commit = commit
        self._history = settings.history
        self._metrics = metrics
        self._waiting: list[list[Ticket]] = [[] for _ in range(settings.shards)]
        self._wanted = [threading.Condition() for _ in range(settings.shards)]  # each guards its shard of both
        self._committers: dict[int, threading.Thread] = {}
        self._stopped = False

    def stop(self) -> None:
        """Let the batches under way end."""
        self._stopped = True
        for wanted in self._wanted:
            with wanted:
                wanted.notify()
        for committer in self._committers.values():
            committer.join(1.0)

    def submit(self, shard: int, write: Write, settle: Settle) -> None:
        """Have ``write`` written; its outcome is `unavailable` where that is unknown."""
        with self._wanted[shard]:
            self._waiting[shard].append(Ticket(write, settle))
            if shard not in self._committers:
                self._committers[shard] = threading.Thread(target=self._commit_waiting, args=(shard,), daemon=True)
                self._committers[shard].start()
            self._wanted[shard].notify()

    def _commit_waiting(self, shard: int) -> None:
        began = float("-inf")
        while batch := self._next_batch(shard, began + PACE):
            began = time.monotonic()
            late = [ticket for ticket in batch if ticket.taken_at + QUEUE_TIMEOUT < began]
            self._commit_batch(shard, batch[len(late) :])
            for ticket in late:
                ticket.settle("unavailable")

    def _next_batch(self, shard: int, at: float) -> list[Ticket]:
        """Wait until there is something to commit, but not before the time ``at``; empty once stopped."""
        with self._wanted[shard]:
            while not self._waiting[shard] and not self._stopped:
                self._wanted[shard].wait()
        if (pause := at - time.monotonic()) > 0:
            time.sleep(pause)
        with self._wanted[shard]:
            waiting = self._waiting[shard]
            batch, self._waiting[shard] = waiting[: log.MAX_BATCH], waiting[log.MAX_BATCH :]
            return batch

    def _commit_batch(self, shard: int, batch: list[Ticket]) -> None:
        began = time.monotonic()
        outcomes: list[Outcome] = ["unavailable"] * len(batch)
        try:
            if batch:
                arguments = log.commit_arguments(shard, self._history, [ticket.write for ticket in batch])
                outcomes = [log.outcome(result) for result in self._commit(shard, arguments)]
                self._metrics.committed(len(batch), time.monotonic() - began)
        except Unavailable:
            pass
        except Exception:
            logger.exception("a batch of commits failed; its outcome is unknown")
        for ticket, outcome in zip(batch, outcomes, strict=True):
            ticket.settle(outcome)
