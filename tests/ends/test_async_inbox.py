"""What a connection of `async_chat` has received: who waits for what, and when a read needs no parser."""

import asyncio
import os

import pytest
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from async_chat.inbox import Inbox, resting

REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def closed(code: int) -> dict[str, object]:
    return {"type": "websocket.disconnect", "code": code, "reason": None}


async def test_inbox_hands_over_in_order_and_survives_a_cancelled_reader() -> None:
    inbox = Inbox()
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    for code in range(3):
        inbox.put_nowait(closed(code))  # type: ignore[arg-type]
    assert [await inbox.get() for _ in range(3)] == [closed(code) for code in range(3)]
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait(closed(9))  # type: ignore[arg-type]
    assert await reader == closed(9)


async def test_what_the_reader_has_taken_counts_until_it_comes_for_the_next() -> None:
    inbox = Inbox()
    assert (inbox.empty(), inbox.waiting) == (True, False)
    for code in range(2):
        inbox.put_nowait(closed(code))  # type: ignore[arg-type]
    assert (inbox.empty(), inbox.waiting) == (False, True)
    await inbox.get()
    assert (inbox.empty(), inbox.waiting) == (False, True)
    await inbox.get()
    assert (inbox.empty(), inbox.waiting) == (False, False)
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    assert (inbox.empty(), inbox.waiting) == (True, False)
    reader.cancel()


def opened() -> ServerProtocol:
    parser = ServerProtocol()
    assert not resting(parser)
    parser.receive_data(REQUEST)
    (request,) = parser.events_received()
    parser.send_response(parser.accept(request))  # type: ignore[arg-type]
    return parser


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def test_a_parser_rests_where_a_message_has_ended_and_nothing_of_the_next_has_come() -> None:
    parts = [
        (frame(Opcode.TEXT, b"short"), True),
        (frame(Opcode.TEXT, os.urandom(100).hex().encode()), True),
        (frame(Opcode.TEXT, b"be", fin=False), False),
        (frame(Opcode.PING, b"between"), False),
        (frame(Opcode.CONT, b"gin", fin=False), False),
        (frame(Opcode.CONT, b""), True),
        (frame(Opcode.BINARY, b""), True),
        (frame(Opcode.PONG, b""), True),
        (frame(Opcode.CLOSE, b""), False),
    ]
    whole, bytewise = opened(), opened()
    for data, ends in parts:
        whole.receive_data(data)
        assert resting(whole) is ends, data
        for place in range(len(data)):
            bytewise.receive_data(data[place : place + 1])
            assert resting(bytewise) is (ends and place == len(data) - 1), (data, place)


@pytest.mark.parametrize(
    "data", [b"\x83\x80abcd", b"\x81\x01a", frame(Opcode.CONT, b"x")], ids=["opcode", "mask", "order"]
)
def test_a_parser_that_gave_up_does_not_rest(data: bytes) -> None:
    parser = opened()
    parser.receive_data(data)
    assert parser.parser_exc is not None
    assert not resting(parser)
