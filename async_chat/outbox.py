"""What one connection has yet to be sent.

`PreparedOutbox` gives prepared frames to the transport, through `async_chat.ws_protocol`. `PortableOutbox` needs
nothing but the ASGI standard and runs on any server. Both are used from the event loop's thread alone, after
``websocket.accept``, and have the outline of `sync_chat.outbox`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, Protocol

from async_chat import ws_protocol
from async_chat.ws_protocol import EXTENSION, Begin, ChatWebSocketProtocol
from chat_core import disconnects
from chat_core.codec import text_frame
from chat_core.disconnects import Disconnect

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PING: Final = b"\x89\x00"


class PreparedOutbox:
    """The write buffer of the transport, bounded by ``hard`` bytes."""

    __slots__ = ("_connection", "_hard", "receive", "stale")

    def __init__(self, scope: Message, receive: Receive, send: Send, hard: int) -> None:
        self._connection: ChatWebSocketProtocol = scope["extensions"][EXTENSION]["connection"]
        self._hard = hard
        self.receive = receive
        self.stale = False

    def attend(self, begin: Begin) -> None:
        """Have ``begin`` called with a message before `receive` returns it, as `ws_protocol` says."""
        self._connection.begin = begin

    @staticmethod
    def prepare(payloads: Sequence[bytes]) -> bytes:
        """Return one text frame per payload, ready for any number of connections."""
        return b"".join(map(text_frame, payloads))

    def write(self, prepared: bytes) -> None:
        """Send ``prepared`` behind what is queued; abort a consumer that has more than ``hard`` bytes to take."""
        connection = self._connection
        if connection.close_sent or connection.transport.is_closing():  # `closing`, without a call for each member
            return
        if connection.soon:
            prepared, connection.soon = connection.soon + prepared, b""
        elif not prepared:
            return
        if connection.backlog is None:
            connection.transport.write(prepared)
        else:
            connection.put_off(prepared)
        if connection.transport.get_write_buffer_size() + connection.backlog_size > self._hard:
            connection.abort(disconnects.SLOW)

    def write_soon(self, prepared: bytes) -> None:
        """Send ``prepared`` together with what is written next, but two rounds of the loop later at the latest.

        One for the relay, which lets outcomes be settled before it delivers, and one in which it does.
        """
        connection = self._connection
        if connection.closing:
            return
        if not connection.soon:
            connection.loop.call_soon(connection.loop.call_soon, self.write, b"")
        connection.soon += prepared

    @property
    def queued(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._connection.queued

    @property
    def received_at(self) -> float:
        """``time.monotonic()`` of the last bytes from the peer, pongs included."""
        return self._connection.received_at

    @property
    def disconnect(self) -> Disconnect | None:
        """Why this side closed; None while open and when the peer went first."""
        return self._connection.disconnect

    def ping(self) -> None:
        """Ask for a sign of life; not where bytes are queued: taking those is one."""
        if not (self._connection.closing or self.queued):
            self._connection.transport.write(PING)

    def close(self, disconnect: Disconnect) -> None:
        """Close in order, behind what is queued. Ends in a few seconds, with or without the peer."""
        self._connection.send_close(disconnect)

    def abort(self, disconnect: Disconnect) -> None:
        """Close at once: the reader wakes with a disconnect, what is queued is dropped."""
        self._connection.abort(disconnect)


class PortableOutbox:
    """A queue of texts, bounded by ``hard`` bytes, and a task that sends them while there are any.

    The standard shows an application neither pongs nor the transport: here the server's own pings judge life, and
    ``abort`` ends the reader and the writer, which lets the server close.
    """

    __slots__ = (
        "_aborted",
        "_closing",
        "_hard",
        "_patience",
        "_receive",
        "_send",
        "_texts",
        "_writer",
        "disconnect",
        "queued",
        "stale",
    )

    def __init__(self, scope: Message, receive: Receive, send: Send, hard: int) -> None:
        self._receive = receive
        self._send = send
        self._hard = hard
        self._texts: deque[tuple[str, int]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._patience: asyncio.Timeout | None = None
        self._closing = False
        self._aborted = False
        self.queued = 0
        self.stale = False
        self.disconnect: Disconnect | None = None

    def attend(self, begin: Begin) -> None:
        """Nothing: an application can only receive."""

    @staticmethod
    def prepare(payloads: Sequence[bytes]) -> tuple[tuple[str, int], ...]:
        """Return each payload as text, with its size in bytes."""
        return tuple((payload.decode(), len(payload)) for payload in payloads)

    async def receive(self) -> Message:
        """Return the next ASGI message, or a disconnect once aborted. Raises nothing of its own."""
        try:
            async with asyncio.timeout(0 if self._aborted else None) as self._patience:
                message = await self._receive()
        except TimeoutError:
            message = {"type": "websocket.disconnect", "code": disconnects.LOST.code}
        finally:
            self._patience = None
        if message["type"] == "websocket.disconnect":
            self._closing = True
        return message

    def write(self, prepared: tuple[tuple[str, int], ...]) -> None:
        """Send ``prepared`` behind what is queued; abort a consumer that has more than ``hard`` bytes to take."""
        if self._closing:
            return
        self._texts.extend(prepared)
        self.queued += sum(size for _, size in prepared)
        if self.queued > self._hard:
            self.abort(disconnects.SLOW)
        elif self._writer is None:
            self._writer = asyncio.create_task(self._drain())

    write_soon = write

    @property
    def received_at(self) -> float:
        """Now: see above."""
        return time.monotonic()

    def ping(self) -> None:
        """Nothing: see above."""

    def close(self, disconnect: Disconnect) -> None:
        """Close in order, behind what is queued. Ends in a few seconds, with or without the peer."""
        if self._closing:
            return
        self._closing = True
        self.disconnect = disconnect
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        asyncio.get_running_loop().call_later(ws_protocol.CLOSE_TIMEOUT, self.abort, disconnect)

    def abort(self, disconnect: Disconnect) -> None:
        """Close at once: the reader wakes with a disconnect, what is queued is dropped."""
        if self._aborted:
            return
        if not self._closing:
            self.disconnect = disconnect
        self._closing = self._aborted = True
        self._texts.clear()
        self.queued = 0
        if self._writer is not None:
            self._writer.cancel()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _drain(self) -> None:
        try:
            while self._texts:
                text, size = self._texts.popleft()
                await self._send({"type": "websocket.send", "text": text})
                self.queued -= size
            if self.disconnect is not None:
                await self._send(
                    {"type": "websocket.close", "code": self.disconnect.code, "reason": self.disconnect.reason}
                )
        except Exception:  # what servers raise here differs, what it means does not: the peer is gone
            self._closing = True
            self._texts.clear()
            self.queued = 0
        finally:
            self._writer = None


class Outbox(Protocol):
    """What both have in common. ``prepare`` gives what ``write`` of any outbox of the same server takes."""

    stale: bool

    @property
    def queued(self) -> int:
        """Bytes that the kernel has not taken yet."""

    @property
    def received_at(self) -> float:
        """``time.monotonic()`` of the last bytes from the peer."""

    @property
    def disconnect(self) -> Disconnect | None:
        """Why this side closed; None while open and when the peer went first."""

    def attend(self, begin: Begin) -> None:
        """Have ``begin`` called with a message in the step in which it came, where the server can."""

    def receive(self) -> Awaitable[Message]:
        """Return the next ASGI message."""

    def prepare(self, payloads: Sequence[bytes]) -> Any:
        """Return what ``write`` takes."""

    def write(self, prepared: Any) -> None:
        """Send behind what is queued."""

    def write_soon(self, prepared: Any) -> None:
        """Send behind what is queued, together with what is written next if that is at once."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def close(self, disconnect: Disconnect) -> None:
        """Close in order."""

    def abort(self, disconnect: Disconnect) -> None:
        """Close at once."""


def open_outbox(scope: Message, receive: Receive, send: Send, hard: int) -> Outbox:
    """Return the outbox of a connection: the prepared one where the server offers prepared frames."""
    if EXTENSION in scope.get("extensions", {}):
        return PreparedOutbox(scope, receive, send, hard)
    return PortableOutbox(scope, receive, send, hard)
