"""What one process asks of Redis. Every method raises Unavailable where no answer came in time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Literal

from redis.exceptions import NoScriptError, RedisError, ResponseError

from chat_core import envelope, keys, log
from chat_core.frames import Position
from chat_core.log import History, Outcome, Page, Unavailable, Write
from chat_core.metrics import Metrics
from chat_core.presence import LIFETIME, State, record, union
from chat_core.settings import Settings
from sync_chat.commits import Commits, Settle
from sync_chat.line import MOST_AT_ONCE, TURN_TIMEOUT, Line, connect


class Bus:
    """The log, presence and publications, as Redis has them. ``process`` names this process to the others."""

    def __init__(self, settings: Settings, metrics: Metrics, process: str) -> None:
        self.process = process
        self.shards = range(settings.shards)
        self.answering = True
        """Whether Redis answered when last asked: while it does not, all but probes are refused at once."""
        self._redis = connect(settings)
        self._lines = [Line(settings) for _ in self.shards]
        self._commits = Commits(self._commit, settings, metrics)
        self._turns = threading.BoundedSemaphore(MOST_AT_ONCE)

    def stop(self) -> None:
        """Let Redis go."""
        self._commits.stop()
        self._redis.close()
        for line in self._lines:
            line.close()

    def shard(self, room: str) -> int:
        """Return the shard that ``room`` belongs to."""
        return keys.shard_of(room, len(self.shards))

    # ---- the log --------------------------------------------------------------------------------

    def submit(self, write: Write, settle: Settle) -> None:
        """Write one entry, together with all that others want written by then; ``settle`` is told its outcome."""
        self._commits.submit(self.shard(write.room), write, settle)

    def commit(self, write: Write) -> Outcome:
        """Write one entry as `submit` does, and wait for its outcome."""
        outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self.submit(write, outcomes.put)
        if (outcome := outcomes.get()) == "unavailable":
            raise Unavailable
        return outcome

    def page(self, room: str, mode: Literal["join", "more"], since: Position | None, user: str = "") -> Page | None:
        """Read a page of a room's log; None where there is no such room."""
        return log.page(self.run("page", log.page_arguments(self.shard(room), room, mode, since, user)))

    def history(self, room: str, before: int | None, after: int | None, limit: int) -> History | None:
        """Read messages of a room; None where there is no such room."""
        return log.history(self.run("history", log.history_arguments(self.shard(room), room, before, after, limit)))

    def mark(self, room: str, user: str, position: Position) -> str:
        """Note how far ``user`` has read; returns "ok" or a refusal code."""
        result: bytes = self.run("mark", log.mark_arguments(self.shard(room), room, user, position))
        return result.decode()

    def rooms(self, limit: int = 200) -> list[tuple[str, float]]:
        """Return rooms and when something last happened in them (seconds since 1970), newest first."""
        found: list[tuple[str, float]] = []
        for shard in self.shards:
            index = keys.room_index(shard)
            with self._turn():
                rows = self._ask(self._redis.zrange, index, 0, limit - 1, desc=True, withscores=True)
            found.extend((name.decode(), score / 1000) for name, score in rows)
        return sorted(found, key=lambda row: -row[1])[:limit]

    def forget(self, idle: int) -> int:
        """Remove rooms in which nothing happened for ``idle`` seconds and nobody is; returns how many."""
        forgotten = 0
        for shard in self.shards:
            names = [keys.room_index(shard), keys.room_prefix(shard)]
            forgotten += len(self.run("forget", [*names, str(idle), "100"]))
        return forgotten

    # ---- presence, and what is not kept ---------------------------------------------------------

    def members(self, room: str) -> State | None:
        """Return who is in a room on all processes; None where there is no such room."""
        shard = self.shard(room)
        records = self.run("members", [keys.room_index(shard), keys.room_prefix(shard), room])
        if records is None:
            return None
        return union([record(value).state for value in records[1::2]])

    def announce(self, states: dict[str, bytes]) -> None:
        """Tell Redis and the other processes who of this process is in which room; an empty text is nobody."""
        for shard in self.shards:
            rows = [(room, state) for room, state in states.items() if self.shard(room) == shard]
            names = [keys.room_index(shard), keys.room_prefix(shard), keys.channel(shard), self.process, str(LIFETIME)]
            for start in range(0, len(rows), log.MAX_BATCH):
                batch = rows[start : start + log.MAX_BATCH]
                told = [
                    part
                    for room, state in batch
                    for part in (room, state, envelope.presence(room, self.process, state))
                ]
                self.run("presence", [*names, *told])

    def publish(self, room: str, data: bytes) -> None:
        """Publish what is not kept to all processes."""
        with self._turn():
            self._ask(self._redis.publish, keys.channel(self.shard(room)), data)

    def recheck(self) -> bool:
        """Ask Redis for a sign of life; returns whether it gave one."""
        try:
            self._ask(self._redis.ping)
        except Unavailable:
            return False
        self.answering = True
        return True

    def probe(self, shard: int, probe: str, rooms: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Return epoch and top of ``rooms``, and publish ``probe`` behind all that led there."""
        names = [keys.room_index(shard), keys.room_prefix(shard), keys.channel(shard), probe]
        return log.tops(rooms, self._run(self._redis.execute_command, "probe", [*names, *rooms]))

    # ---- asking ---------------------------------------------------------------------------------

    def run(self, name: str, arguments: Sequence[Any]) -> Any:
        """Run a script of the core, in its turn; its first argument is the one declared key."""
        with self._turn():
            return self._run(self._redis.execute_command, name, arguments)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until few enough ask; whoever waited while Redis fell silent is refused at once, and not one by one."""
        if not self._turns.acquire(timeout=TURN_TIMEOUT):
            raise Unavailable
        try:
            yield
        finally:
            self._turns.release()

    def _commit(self, shard: int, arguments: Sequence[Any]) -> Any:
        return self._run(self._lines[shard].execute_command, "commit", arguments)

    def _run(self, execute: Callable[..., Any], name: str, arguments: Sequence[Any]) -> Any:
        script = log.script(name)
        try:
            return self._ask(execute, "EVALSHA", script.sha, 1, *arguments)
        except NoScriptError:
            # Nothing of it ran, since Redis does not know the script: so it is sent whole.
            return self._ask(execute, "EVAL", script.source, 1, *arguments)

    def _ask(self, command: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if not self.answering and command != self._redis.ping:
            raise Unavailable
        try:
            return command(*arguments, **options)
        except NoScriptError:
            raise
        except (RedisError, OSError) as error:
            if not isinstance(error, ResponseError):
                self.answering = False
            raise Unavailable from error
