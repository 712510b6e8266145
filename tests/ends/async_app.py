"""A bare ASGI callable with `perform` behind it. Run as ``python -m tests.ends.async_app FD prepared|portable``."""

import socket
import sys
from collections.abc import MutableMapping
from typing import Any

import uvicorn

from async_chat import ws_protocol
from async_chat.outbox import Outbox, Receive, Send, open_outbox
from chat_core import disconnects
from tests.ends.commands import CLOSE_TIMEOUT, HARD, MAX_FRAME, perform

ws_protocol.CLOSE_TIMEOUT = CLOSE_TIMEOUT
outboxes: set[Outbox] = set()


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        body = b"%d" % len(outboxes)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await serve(open_outbox(scope, receive, send, HARD))


async def serve(outbox: Outbox) -> None:
    outboxes.add(outbox)
    try:
        while (message := await outbox.receive())["type"] != "websocket.disconnect":
            if message.get("text") is None:
                outbox.close(disconnects.BINARY_FRAME)
            else:
                perform(message["text"], outbox, outboxes)
    finally:
        outboxes.discard(outbox)


if __name__ == "__main__":
    prepared = sys.argv[2] == "prepared"
    config = uvicorn.Config(
        app,
        ws="async_chat.ws_protocol:ChatWebSocketProtocol" if prepared else "websockets-sansio",
        ws_ping_interval=None if prepared else 20,
        ws_per_message_deflate=False,
        ws_max_size=MAX_FRAME,
        timeout_graceful_shutdown=8 if prepared else 2,
        lifespan="off",
        log_level="warning",
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
