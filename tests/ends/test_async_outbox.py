"""The outboxes of `async_chat` inside a running uvicorn, from the side of the application."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from async_chat.outbox import Message, Outbox, PortableOutbox, PreparedOutbox, Receive, Send, open_outbox
from chat_core import disconnects
from tests.ends.peer import CLOSE, PING, PONG, Peer

PROTOCOLS = {
    "async_chat.ws_protocol:ChatWebSocketProtocol": PreparedOutbox,
    "websockets-sansio": PortableOutbox,
}
KINDS = ("prepared", "portable")


@asynccontextmanager
async def connection(protocol: str) -> AsyncIterator[tuple[Outbox, Peer, asyncio.Queue[Message]]]:
    """Yield one connection's outbox, its peer, and what the application received."""
    outboxes: asyncio.Queue[Outbox] = asyncio.Queue()
    received: asyncio.Queue[Message] = asyncio.Queue()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        outbox = open_outbox(scope, receive, send, 1 << 20)
        outboxes.put_nowait(outbox)
        while True:
            message = await outbox.receive()
            received.put_nowait(message)
            if message["type"] == "websocket.disconnect":
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        config = uvicorn.Config(
            app, ws=protocol, ws_ping_interval=None, ws_per_message_deflate=False, lifespan="off", log_level="error"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        peer = await asyncio.to_thread(Peer, listener.getsockname()[1], 8192)
        try:
            yield await outboxes.get(), peer, received
        finally:
            peer.close()
            server.should_exit = True
            await serving


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not fact():  # noqa: ASYNC110 - the outbox has no event, and needs none
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("protocol", "kind"), PROTOCOLS.items(), ids=KINDS)
def test_outbox_is_the_one_the_server_allows(run: Callable[[Any], None], protocol: str, kind: type) -> None:
    async def check() -> None:
        async with connection(protocol) as (outbox, _, _):
            assert type(outbox) is kind

    run(check())


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=KINDS)
def test_beyond_the_bound_the_consumer_is_aborted_and_the_reader_wakes(
    run: Callable[[Any], None], protocol: str
) -> None:
    async def check() -> None:
        async with connection(protocol) as (outbox, _, received):
            for _ in range(20):
                outbox.write(outbox.prepare([b"x" * 100_000]))
            assert outbox.disconnect is disconnects.SLOW
            async with asyncio.timeout(1):
                assert (await received.get())["type"] == "websocket.disconnect"
            assert outbox.queued == 0

    run(check())


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=KINDS)
def test_queued_shrinks_as_the_peer_reads(run: Callable[[Any], None], protocol: str) -> None:
    async def check() -> None:
        async with connection(protocol) as (outbox, peer, _):
            for _ in range(8):
                outbox.write(outbox.prepare([b"x" * 100_000]))
            await asyncio.sleep(0.1)
            assert 100_000 < outbox.queued < 800_000
            for _ in range(8):
                await asyncio.to_thread(peer.receive)
            await until(lambda: outbox.queued == 0)

    run(check())


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=KINDS)
def test_all_arrives_in_order_however_often_the_peer_pauses(run: Callable[[Any], None], protocol: str) -> None:
    async def check() -> None:
        async with connection(protocol) as (outbox, peer, _):
            sent, heard = 0, []
            for _ in range(4):
                for _ in range(70):
                    outbox.write(outbox.prepare([b"%04d" % sent + b"x" * 10_000]))
                    sent += 1
                await asyncio.sleep(0.05)
                assert outbox.queued > 100_000, "it is read as fast as it is written"
                heard += [await asyncio.to_thread(peer.receive) for _ in range(60)]
            outbox.write(outbox.prepare([b"%04d" % sent]))
            outbox.close(disconnects.NORMAL)
            heard += [await asyncio.to_thread(peer.receive) for _ in range(sent + 2 - len(heard))]
            assert [frame.payload[:4] for frame in heard[:-1]] == [b"%04d" % number for number in range(sent + 1)]
            assert heard[-1].code == disconnects.NORMAL.code

    run(check())


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=KINDS)
def test_a_peer_that_closes_gets_nothing_behind_the_answer(run: Callable[[Any], None], protocol: str) -> None:
    async def check() -> None:
        async with connection(protocol) as (outbox, peer, received):
            for _ in range(90):
                outbox.write(outbox.prepare([b"x" * 10_000]))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(peer.send, b"\x03\xe9", CLOSE)
            async with asyncio.timeout(1):
                await received.get()
            outbox.write(outbox.prepare([b"late"]))
            frames = [await asyncio.to_thread(peer.receive)]
            while frames[-1].opcode != CLOSE:
                frames.append(await asyncio.to_thread(peer.receive))
            assert len(frames) <= 91
            assert await asyncio.to_thread(peer.socket.recv, 1) == b""

    run(check())


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=KINDS)
def test_first_reason_wins_and_nothing_follows_a_close(run: Callable[[Any], None], protocol: str) -> None:
    async def check() -> None:
        async with connection(protocol) as (outbox, peer, received):
            outbox.close(disconnects.RESTART)
            outbox.close(disconnects.INTERNAL)
            outbox.write(outbox.prepare([b"late"]))
            outbox.ping()
            frame = await asyncio.to_thread(peer.receive)
            assert (frame.opcode, frame.code) == (CLOSE, 1012)
            outbox.abort(disconnects.SLOW)
            assert outbox.disconnect is disconnects.RESTART
            async with asyncio.timeout(1):
                assert (await received.get())["type"] == "websocket.disconnect"

    run(check())


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=KINDS)
def test_peer_that_went_first_leaves_no_reason(run: Callable[[Any], None], protocol: str) -> None:
    async def check() -> None:
        async with connection(protocol) as (outbox, peer, received):
            await asyncio.to_thread(peer.send, b"\x03\xe9", CLOSE)
            async with asyncio.timeout(1):
                assert await received.get() == {"type": "websocket.disconnect", "code": 1001, "reason": ""}
            outbox.close(disconnects.RESTART)
            outbox.abort(disconnects.SLOW)
            assert outbox.disconnect is None

    run(check())


def test_received_at_counts_pongs_and_ping_goes_out_alone_only(run: Callable[[Any], None]) -> None:
    async def check() -> None:
        async with connection("async_chat.ws_protocol:ChatWebSocketProtocol") as (outbox, peer, _):
            before = outbox.received_at
            outbox.ping()
            assert (await asyncio.to_thread(peer.receive)).opcode == PING
            await asyncio.sleep(0.02)
            await asyncio.to_thread(peer.send, b"", PONG)
            await until(lambda: outbox.received_at != before)
            assert before < outbox.received_at <= time.monotonic()
            for _ in range(8):
                outbox.write(outbox.prepare([b"x" * 100_000]))
            await asyncio.sleep(0.05)
            outbox.ping()
            outbox.close(disconnects.NORMAL)
            frames = [await asyncio.to_thread(peer.receive) for _ in range(9)]
            assert [frame.opcode for frame in frames] == [1] * 8 + [CLOSE]

    run(check())


@pytest.mark.parametrize(
    "disconnect",
    [disconnects.TOO_LARGE, disconnects.INVALID_UTF8, disconnects.PROTOCOL_ERROR],
    ids=["too-large", "invalid-utf8", "protocol-error"],
)
def test_refusals_of_the_protocol_are_reasons_of_ours(
    run: Callable[[Any], None], disconnect: disconnects.Disconnect
) -> None:
    async def check() -> None:
        async with connection("async_chat.ws_protocol:ChatWebSocketProtocol") as (outbox, peer, received):
            data = {1009: b"\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff" + b"\0" * 100, 1007: b"\x81\x81\0\0\0\0\xff"}
            await asyncio.to_thread(peer.socket.sendall, data.get(disconnect.code, b"\x81\x01a"))
            async with asyncio.timeout(1):
                assert (await received.get())["code"] == disconnect.code
            assert outbox.disconnect is disconnect

    run(check())
