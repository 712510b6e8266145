"""What a good client does while Redis is away: it asks again with the same id, and joins again where it must."""

import asyncio
import time

from tests.wire.client import Chat, CommitResult, Position, Refused, fresh_id


async def insist(chat: Chat, room: str, text: str, id: str | None = None, within: float = 8.0) -> CommitResult:
    """Post as a client does: the same id again while the outcome is unknown, joining again where it must."""
    id = id or fresh_id()
    deadline = time.monotonic() + within
    while True:
        reply = await chat.command("post", room=room, id=id, text=text)
        if isinstance(reply.result, CommitResult):
            return reply.result
        assert reply.error
        assert reply.error.code in ("unavailable", "not_joined"), reply
        assert time.monotonic() < deadline, "posting does not work again"
        if reply.error.code == "not_joined":
            await join_again(chat, room)
        await asyncio.sleep(0.05)


async def join_again(chat: Chat, room: str, since: Position | None = None, within: float = 8.0) -> bool:
    """Join as soon as that works; returns whether what was missed came."""
    deadline = time.monotonic() + within
    while True:
        try:
            return (await chat.join_whole(room, since)).recovered
        except Refused as refused:
            if refused.refusal.code != "unavailable" or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.05)


async def refused_fast(chat: Chat, kind: str, **fields: object) -> None:
    """Be told within a second that a command's outcome is unknown."""
    began = time.monotonic()
    assert await chat.refused(kind, **fields) == "unavailable"
    assert time.monotonic() - began < 1.3, kind  # promised: 1 s
