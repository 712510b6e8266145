"""The scripts as a backend asks them, in words short enough for a test."""

import itertools
import json
import os
import re
from collections.abc import Sequence
from typing import Any, Literal, Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

from chat_core import envelope, keys, log
from chat_core.envelope import Block
from chat_core.frames import Delete, Edit, Position, Post, React, User
from chat_core.log import Author, Commitment, Committed, History, Outcome, Page, Write
from stack.redis import RedisServer

ANN, BOB = User(id="a1", name="Ann"), User(id="b-2_", name='Bob "the" Builder')
ROOM = "lobby"
SHARD = 0
CHANNEL = keys.channel(SHARD)
PREFIX = keys.room_prefix(SHARD)
INDEX = keys.room_index(SHARD)


class Store:
    """See the module."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.redis: Any = self._connect()
        self.history_length = 10_000
        self._ids = (f"id{number}" for number in itertools.count())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.redis.close()

    def _connect(self) -> Redis:
        return Redis.from_url(self.server.url, socket_timeout=10, retry=Retry(NoBackoff(), 0))

    # ---- asking ---------------------------------------------------------------------------------

    def run(self, name: str, arguments: Sequence[Any]) -> Any:
        return self.redis.eval(log.script(name).source, 1, *arguments)

    def commit(self, *writes: Write) -> list[Outcome]:
        """Commit one batch."""
        results = self.run("commit", log.commit_arguments(SHARD, self.history_length, writes))
        return [log.outcome(result) for result in results]

    def post(
        self, text: str = "hello", *, by: User = ANN, room: str = ROOM, name: str = "", reply_to: Position | None = None
    ) -> Write:
        return log.write(
            Post(type="post", ref=0, room=room, id=name or next(self._ids), text=text, reply_to=reply_to),
            Author.of(by, moderator=False),
        )

    def edit(self, target: Position, text: str, *, by: User = ANN, room: str = ROOM, moderator: bool = False) -> Write:
        command = Edit(type="edit", ref=0, room=room, id=next(self._ids), target=target, text=text)
        return log.write(command, Author.of(by, moderator=moderator))

    def delete(self, target: Position, *, by: User = ANN, room: str = ROOM, moderator: bool = False) -> Write:
        command = Delete(type="delete", ref=0, room=room, id=next(self._ids), target=target)
        return log.write(command, Author.of(by, moderator=moderator))

    def react(self, target: Position, emoji: str = "👍", on: bool = True, *, by: User = ANN, name: str = "") -> Write:
        command: Commitment = React(
            type="react", ref=0, room=ROOM, id=name or next(self._ids), target=target, emoji=emoji, on=on
        )
        return log.write(command, Author.of(by, moderator=False))

    def posted(self, text: str = "hello", *, by: User = ANN, room: str = ROOM) -> Position:
        """Commit one message; returns where it is."""
        return place(*self.commit(self.post(text, by=by, room=room)))

    def page(
        self,
        since: Position | None = None,
        *,
        mode: Literal["join", "more"] = "join",
        user: str = "a1",
        room: str = ROOM,
    ) -> Page | None:
        return log.page(self.run("page", log.page_arguments(SHARD, room, mode, since, user)))

    def join(self, since: Position | None = None, *, user: str = "a1", room: str = ROOM) -> Page:
        """Read a page that creates the room where there is none."""
        found = self.page(since, user=user, room=room)
        assert found is not None
        return found

    def history(
        self, before: int | None = None, after: int | None = None, limit: int = 50, room: str = ROOM
    ) -> History | None:
        return log.history(self.run("history", log.history_arguments(SHARD, room, before, after, limit)))

    def messages(self, before: int | None = None, after: int | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """The messages that REST shows."""
        found = self.history(before, after, limit)
        assert found is not None
        return [json.loads(one) for one in found.messages]

    def mark(self, position: Position, user: str = "a1", room: str = ROOM) -> str:
        result: bytes = self.run("mark", log.mark_arguments(SHARD, room, user, position))
        return result.decode()

    def announce(self, process: str, lifetime: int, states: dict[str, bytes], publication: bytes = b"") -> None:
        told = [part for room, state in states.items() for part in (room, state, publication)]
        self.run("presence", [INDEX, PREFIX, CHANNEL, process, str(lifetime), *told])

    def members(self, room: str = ROOM) -> list[bytes] | None:
        found: list[bytes] | None = self.run("members", [INDEX, PREFIX, room])
        return found

    def probe(self, *rooms: str) -> dict[str, tuple[str, int]]:
        return log.tops(rooms, self.run("probe", [INDEX, PREFIX, CHANNEL, "p1", *rooms]))

    def forget(self, idle: int, most: int = 100) -> list[bytes]:
        found: list[bytes] = self.run("forget", [INDEX, PREFIX, str(idle), str(most)])
        return found

    # ---- what is there --------------------------------------------------------------------------

    def listen(self) -> PubSub:
        """Subscribe to the shard's channel; `published` takes what came."""
        subscription: PubSub = self.redis.pubsub()
        subscription.subscribe(CHANNEL)
        while not subscription.subscribed or subscription.get_message(timeout=5) is None:
            pass
        return subscription

    def key(self, part: str, room: str = ROOM) -> str:
        return f"{PREFIX}{room}:{part}"

    def dump(self) -> bytes:
        """All that Redis holds, as text."""
        found = []
        for key in sorted(self.redis.scan_iter("*")):
            kind = self.redis.type(key)
            if kind == b"stream":
                found.append(repr(self.redis.xrange(key)))
            elif kind == b"hash":
                found.append(repr(self.redis.hgetall(key)))
            elif kind == b"zset":
                found.append(repr(self.redis.zrange(key, 0, -1)))
            else:
                found.append(repr(self.redis.get(key)))
        return "\n".join(found).encode()

    # ---- hurting it -----------------------------------------------------------------------------

    def crash(self, commits: int = 0) -> None:
        """SIGKILL, the last `commits` transactions cut off the append-only file, and a new start."""
        self.redis.close()
        self.server.kill()
        if commits:
            path = self.server.append_only_file()
            ends = [match.start() for match in re.finditer(rb"\*1\r\n\$5\r\nMULTI\r\n", path.read_bytes())]
            os.truncate(path, ends[-commits])
        self.server.start()
        self.redis = self._connect()


def place(outcome: Outcome) -> Position:
    """Where a command that was carried out ended up."""
    assert isinstance(outcome, Committed), outcome
    return Position(epoch=outcome.epoch, offset=outcome.offset)


def published(subscription: PubSub, count: int = 1) -> list[bytes]:
    """The next publications."""
    found: list[bytes] = []
    while len(found) < count:
        message = subscription.get_message(timeout=5)
        assert message is not None, "nothing was published"
        if message["type"] == "message":
            found.append(message["data"])
    return found


def blocks(data: bytes) -> list[Block]:
    return list(envelope.blocks(data, lambda _: True))


def decoded(entries: Sequence[bytes]) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in entries]
