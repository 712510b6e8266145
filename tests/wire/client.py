"""A chat client for tests: it holds every frame to the models and every room to the promise."""

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any, Self, TypeVar

from pydantic import BaseModel, TypeAdapter
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed

from chat_core.frames import (
    AnyPush,
    CommitResult,
    Deleted,
    Edited,
    Empty,
    Frame,
    JoinResult,
    Message,
    Notice,
    Position,
    PresencePush,
    Reacted,
    ReadPush,
    Refusal,
    Replay,
    Reply,
    Reset,
    TypingPush,
)
from tests.wire.ledger import Ledger

PATIENCE = 5.0
"""Seconds that a test waits for what is to come."""

_PUSHES: TypeAdapter[Any] = TypeAdapter(AnyPush)
_RESULTS: dict[str, type[Frame]] = {
    "join": JoinResult,
    **dict.fromkeys(("post", "edit", "delete", "react"), CommitResult),
    **dict.fromkeys(("leave", "typing", "read"), Empty),
}
_LOG_ENTRIES = (Message, Edited, Deleted, Reacted)

P = TypeVar("P", bound=Frame)


class Refused(Exception):
    """A command that was to succeed was refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code}: {refusal.message}")
        self.refusal = refusal


class Chat:
    """One connection. Pushes are collected while nobody waits for them; each is given out once by ``expect``."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._pushes: list[Any] = []
        self._waiting: dict[int, tuple[dict[str, Any], asyncio.Future[Reply]]] = {}
        self._ref = 0
        self._news = asyncio.Event()
        self._fault: BaseException | None = None
        self.loose: list[Reply] = []
        """Replies without a ref, or with one of a frame that was sent by ``send``."""
        self.ledgers: dict[str, Ledger] = {}
        self.frames: list[str] = []
        """Everything that came, as it came."""
        self._reader = asyncio.create_task(self._read_all())

    @classmethod
    async def connect(cls, url: str, token: str | None = None, **options: Any) -> Self:
        """Open a connection; raises websockets' InvalidStatus where that is refused."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        options.setdefault("compression", None)
        return cls(
            await open_socket(
                url,
                additional_headers=headers,
                proxy=None,
                ping_interval=None,
                max_size=None,
                close_timeout=5,
                **options,
            )
        )

    # ---- commands ---------------------------------------------------------------------------------------------------

    async def command(self, kind: str, **fields: Any) -> Reply:
        """Send a command and wait for its reply. Fields that are None are left out."""
        self._ref += 1
        fields = {name: _plain(value) for name, value in fields.items() if value is not None}
        frame = {"type": kind, "ref": self._ref, **fields}
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[self._ref] = frame, reply
        if kind in ("join", "leave") and (ledger := self.ledgers.get(str(frame.get("room")))):
            ledger.left()
        await self._socket.send(json.dumps(frame))
        async with asyncio.timeout(PATIENCE):
            return await reply

    async def result(self, kind: str, **fields: Any) -> Any:
        """Send a command that is to succeed; raises Refused."""
        reply = await self.command(kind, **fields)
        if reply.error:
            raise Refused(reply.error)
        return reply.result

    async def refused(self, kind: str, **fields: Any) -> str:
        """Send a command that is to be refused, and return the code."""
        reply = await self.command(kind, **fields)
        assert reply.error, f"{kind} was not refused: {reply}"
        assert reply.error.message
        return reply.error.code

    async def join(self, room: str, since: Position | None = None) -> JoinResult:
        """Become a member."""
        result: JoinResult = await self.result("join", room=room, since=since)
        return result

    async def join_whole(self, room: str, since: Position | None = None) -> JoinResult:
        """Become a member, and wait for the last page."""
        result = await self.join(room, since)
        more = result.more
        while more:
            more = (await self.expect(Replay, lambda page: page.room == room)).more
        return result

    async def post(self, room: str, text: str, id: str | None = None, **fields: Any) -> CommitResult:
        """Write a message, under a fresh id unless one is given."""
        result: CommitResult = await self.result("post", room=room, id=id or fresh_id(), text=text, **fields)
        return result

    async def edit(self, room: str, target: Any, text: str, id: str | None = None) -> CommitResult:
        """Replace the text of a message; ``target`` is anything with epoch and offset."""
        fields = {"room": room, "id": id or fresh_id(), "target": place(target), "text": text}
        result: CommitResult = await self.result("edit", **fields)
        return result

    async def delete(self, room: str, target: Any, id: str | None = None) -> CommitResult:
        """Take back a message."""
        result: CommitResult = await self.result("delete", room=room, id=id or fresh_id(), target=place(target))
        return result

    async def react(self, room: str, target: Any, emoji: str, on: bool = True) -> CommitResult:
        """Put an emoji on a message, or take it off."""
        fields = {"room": room, "id": fresh_id(), "target": place(target), "emoji": emoji, "on": on}
        result: CommitResult = await self.result("react", **fields)
        return result

    async def send(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        await self._socket.send(frame)

    # ---- pushes -----------------------------------------------------------------------------------------------------

    async def expect(
        self, kind: type[P], predicate: Callable[[P], object] = lambda push: True, within: float = PATIENCE
    ) -> P:
        """Return the first push of a kind for which ``predicate`` is true; each push is returned once."""
        found: P
        deadline = asyncio.get_running_loop().time() + within
        while True:
            self._check()
            for push in self._pushes:
                if isinstance(push, kind) and predicate(push):
                    found = push
                    self._pushes.remove(push)
                    return found
            await self._wait(deadline, f"no {kind.__name__} came; what did: {self._pushes[-5:]}")

    async def until(self, condition: Callable[[], object], within: float = PATIENCE) -> None:
        """Wait until ``condition`` is true, looking again after every frame."""
        deadline = asyncio.get_running_loop().time() + within
        while not condition():
            self._check()
            await self._wait(deadline, f"the condition did not come true; {self.ledgers}")

    async def reached(self, room: str, where: Any) -> None:
        """Wait until everything up to ``where`` has come."""
        await self.until(lambda: (self.ledgers[room].position or where).offset >= where.offset)

    def seen(self, kind: type[P]) -> list[P]:
        """The pushes of a kind that came so far and that nobody has been given."""
        return [push for push in self._pushes if isinstance(push, kind)]

    def ledger(self, room: str) -> Ledger:
        """What came of a room."""
        return self.ledgers[room]

    # ---- the end ----------------------------------------------------------------------------------------------------

    async def ended(self, within: float = PATIENCE) -> int:
        """Wait until the server has closed the connection, and return the code (1006 where none came)."""
        async with asyncio.timeout(within):
            await asyncio.shield(self._reader)
        return self._socket.close_code or 1006

    async def close(self) -> None:
        """Close in order; raises what was wrong with any frame that came."""
        await self._socket.close()
        await self._reader
        self._check()

    def abandon(self) -> None:
        """Lose the connection: no close frame, the TCP connection is reset."""
        self._socket.transport.abort()

    # ---- reading ----------------------------------------------------------------------------------------------------

    async def _read_all(self) -> None:
        try:
            async for data in self._socket:
                assert isinstance(data, str), "a binary frame came"
                self._take(data)
                self._news.set()
        except ConnectionClosed:
            pass
        except BaseException as fault:
            self._fault = fault
            self._socket.transport.abort()
        finally:
            self._news.set()
            for _, reply in self._waiting.values():
                if not reply.done():
                    reply.set_exception(self._fault or ConnectionError(f"closed: {self._socket.close_code}"))
                    reply.exception()  # nobody may be waiting any more

    def _take(self, data: str) -> None:
        self.frames.append(data)
        raw = json.loads(data)
        if raw.get("type") == "reply":
            return self._take_reply(raw)
        push = held_to(_PUSHES, raw)
        ledger = self.ledgers.get(getattr(push, "room", ""))
        if isinstance(push, _LOG_ENTRIES) and ledger and ledger.live:
            ledger.pushed(push)
        if isinstance(push, Replay) and ledger and ledger.replaying:
            ledger.replayed(push)
        if isinstance(push, Reset) and ledger:
            ledger.left()
        self._pushes.append(push)
        return None

    def _take_reply(self, raw: dict[str, Any]) -> None:
        assert ("result" in raw) != ("error" in raw), f"neither or both: {raw}"
        frame, waiting = self._waiting.pop(raw["ref"], ({}, None))
        kind = _RESULTS.get(str(frame.get("type")))
        result = held_to(TypeAdapter(kind), raw["result"]) if kind and "result" in raw else None
        held_to(TypeAdapter(Reply), {**raw, **({"result": {}} if "result" in raw else {})})
        reply = Reply(type="reply", ref=raw["ref"], result=result, error=raw.get("error"))
        if isinstance(result, JoinResult):
            room = frame["room"]
            since = Position(**frame["since"]) if "since" in frame else None
            self.ledgers.setdefault(room, Ledger(room)).joined(result, since)
        if waiting is None:
            self.loose.append(reply)
        elif not waiting.done():
            waiting.set_result(reply)

    def _check(self) -> None:
        if self._fault:
            raise self._fault

    async def _wait(self, deadline: float, why: str) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout_at(deadline):
                await self._news.wait()
        except TimeoutError:
            raise AssertionError(why) from None
        assert not self._reader.done() or self._pushes, f"closed: {self._socket.close_code}"


def held_to(model: TypeAdapter[Any], raw: Any) -> Any:
    """Return ``raw`` as the model has it; fails where it says more than the model knows."""
    value = model.validate_python(raw)
    described = value.model_dump(mode="json", exclude_unset=True)
    assert described == raw, f"not as described: {raw}"
    return value


def fresh_id() -> str:
    """Return an id for a new act."""
    return secrets.token_urlsafe(12)


def place(target: Any) -> Position:
    """Return the position of anything that has one."""
    return Position(epoch=target.epoch, offset=target.offset)


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


__all__ = [
    "PATIENCE",
    "Chat",
    "CommitResult",
    "Deleted",
    "Edited",
    "JoinResult",
    "Message",
    "Notice",
    "Position",
    "PresencePush",
    "Reacted",
    "ReadPush",
    "Refused",
    "Replay",
    "Reset",
    "TypingPush",
    "fresh_id",
    "place",
]
