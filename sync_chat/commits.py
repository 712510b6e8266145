"""Group commit: what arrives while one batch is under way goes into the next, and each gets its own outcome."""

import threading
import time
from collections.abc import Callable, Sequence
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
    """One command in a queue, and the thread that waits for its outcome."""

    __slots__ = ("_done", "_outcome", "write")

    def __init__(self, write: Write) -> None:
        self.write = write
        self._outcome: Outcome = "unavailable"
        self._done = threading.Lock()
        self._done.acquire()

    def settle(self, outcome: Outcome) -> None:
        """Wake the one who waits."""
        self._outcome = outcome
        self._done.release()

    def wait(self) -> Outcome:
        """Return the outcome; raise Unavailable where it is unknown by COMMIT_TIMEOUT."""
        if not self._done.acquire(timeout=COMMIT_TIMEOUT) or self._outcome == "unavailable":
            raise Unavailable
        return self._outcome


class Commits:
    """The batches of one process, one under way per shard. ``run`` asks Redis."""

    def __init__(self, run: Callable[[str, Sequence[Any]], Any], settings: Settings, metrics: Metrics) -> None:
        self._run = run
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
            committer.join(COMMIT_TIMEOUT)

    def commit(self, shard: int, write: Write) -> Outcome:
        """Return what became of ``write``; raise Unavailable where that is unknown."""
        ticket = Ticket(write)
        with self._wanted[shard]:
            self._waiting[shard].append(ticket)
            if shard not in self._committers:
                self._committers[shard] = threading.Thread(target=self._commit_waiting, args=(shard,), daemon=True)
                self._committers[shard].start()
            self._wanted[shard].notify()
        return ticket.wait()

    def _commit_waiting(self, shard: int) -> None:
        began = float("-inf")
        while batch := self._next_batch(shard, began + PACE):
            began = time.monotonic()
            try:
                outcomes = self._commit_batch(shard, batch)
            except Unavailable:
                outcomes = ["unavailable"] * len(batch)
            for ticket, outcome in zip(batch, outcomes, strict=True):
                ticket.settle(outcome)

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

    def _commit_batch(self, shard: int, batch: list[Ticket]) -> list[Outcome]:
        began = time.monotonic()
        results = self._run("commit", log.commit_arguments(shard, self._history, [ticket.write for ticket in batch]))
        self._metrics.committed(len(batch), time.monotonic() - began)
        return [log.outcome(result) for result in results]
