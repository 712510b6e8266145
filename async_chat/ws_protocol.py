"""uvicorn's WebSocket protocol with prepared frames, and with an end to every closing.

Run with ``uvicorn --ws async_chat.ws_protocol:ChatWebSocketProtocol``. The application finds it where the ASGI standard
lets servers offer what is theirs alone: ``scope["extensions"]["tandem.prepared_frames"] == {"connection": protocol}``.
From ``websocket.accept`` on it may call, from the event loop's thread:

- ``transport.write(frames)`` with whole unmasked frames, the same bytes for as many connections as it likes, where
  ``backlog`` is None, else ``put_off(frames)``;
- ``begin``, once it is set, is called with what was received when nothing is left that was received before: for what
  can be done at once, no task has to wake;
- ``soon``: frames that it wants written with the next, and has to write before those; a close frame goes behind them;
- ``send_close``, ``abort``, and read ``closing``, ``queued``, ``disconnect``, ``received_at``.

uvloop keeps a request for each write to a peer that does not read, and has to cancel all of them when that one is cut:
with many such peers that takes longer than a flush. So what comes while a transport is paused waits in ``backlog``.

uvicorn waits without limit for the write buffer of a peer that does not read, and so does its shutdown. Here whoever
closes, the transport is aborted ``CLOSE_TIMEOUT`` seconds later at the latest.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from uvicorn._types import ASGIReceiveEvent, WebSocketReceiveEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from async_chat.inbox import Inbox, resting
from chat_core import disconnects
from chat_core.codec import whole_text
from chat_core.disconnects import Disconnect
from chat_core.limits import FRAGMENT_HEAD, FRAGMENT_OVERHEAD

Begin = Callable[[Any], Any]
"""Is given an event in the step in which it was read; returns what of it is left to be received, None where nothing."""
EXTENSION: Final = "tandem.prepared_frames"
CLOSE_TIMEOUT = 3.0
"""Seconds that a closing may take. Read anew by every closing: a process may set another before it serves."""
# uvloop's own low mark is 16 bytes: every pause would last until the last byte is gone.
WRITE_BUFFER_HIGH: Final = 64 * 1024
WRITE_BUFFER_LOW: Final = 16 * 1024


class PortableWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, but for the traceback that it logs when what is not UTF-8 and a close come in one read.

    It also reads on while no message waits for the application: to pause for every message costs system calls.
    """

    __slots__ = ()

    def send_receive_event_to_app(self) -> None:
        message, self.frames = b"".join(self.frames), []
        event: WebSocketReceiveEvent = {"type": "websocket.receive", "bytes": message}
        if self.curr_msg_data_type == "text":
            try:
                event = {"type": "websocket.receive", "text": message.decode()}
            except UnicodeDecodeError:
                self._refuse(disconnects.INVALID_UTF8)
                return
        if self.close_sent:  # the application has gone
            return
        self.hand_over(event)

    def hand_over(self, event: ASGIReceiveEvent) -> None:
        """Have the application receive ``event``."""
        if not (self.read_paused or self.queue.empty()):
            self.read_paused = True
            self.transport.pause_reading()
        self.queue.put_nowait(event)

    def _refuse(self, disconnect: Disconnect) -> None:
        """Close for what the peer sent."""
        if self.conn.state is State.OPEN:  # else its close is in the same read and comes next, or it was refused
            self.conn.fail(disconnect.code, disconnect.reason)
            self.handle_parser_exception()


class ChatWebSocketProtocol(PortableWebSocketProtocol):
    """One connection. ``received_at`` is the ``time.monotonic()`` of the last bytes from the peer."""

    # The names of the base class: kept in slots, they take a quarter of what the dict of each instance would.
    __slots__ = (
        "app",
        "app_state",
        "asgi_version",
        "at_rest",
        "backlog",
        "backlog_size",
        "begin",
        "client",
        "close_sent",
        "close_timeout",
        "close_timer",
        "config",
        "conn",
        "connections",
        "curr_msg_data_type",
        "default_headers",
        "disconnect",
        "disconnected",
        "frames",
        "handshake_complete",
        "handshake_initiated",
        "initial_response",
        "last_ping_rtt",
        "logger",
        "loop",
        "pending_ping_payload",
        "ping_interval",
        "ping_sent_at",
        "ping_timeout",
        "ping_timer",
        "pong_timer",
        "queue",
        "read_paused",
        "received_at",
        "refused",
        "request",
        "response",
        "root_path",
        "scheme",
        "scope",
        "server",
        "soon",
        "tasks",
        "transport",
        "unfinished",
        "writable",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.queue: Inbox = Inbox()  # type: ignore[assignment]
        self.backlog: deque[bytes] | None = None  # frames behind those of the transport; None while that takes them
        self.backlog_size = 0
        self.begin: Begin | None = None
        self.close_timeout = CLOSE_TIMEOUT
        self.disconnect: Disconnect | None = None
        self.received_at = time.monotonic()
        self.refused = False
        self.soon = b""  # frames that wait for others to be written with
        self.at_rest = False  # whether the parser is between two messages
        self.unfinished = 0  # bytes of the fragments of a message whose last one has not come, with their heads

    # What the application uses.

    @property
    def closing(self) -> bool:
        """Whether nothing more may be written: either side has begun to close, or the peer is gone."""
        return self.close_sent or self.transport.is_closing()

    @property
    def queued(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self.transport.get_write_buffer_size() + self.backlog_size + len(self.soon)

    def put_off(self, frames: bytes) -> None:
        """Send whole frames once the transport, which is paused, takes more."""
        if self.backlog is not None:
            self.backlog.append(frames)
            self.backlog_size += len(frames)

    def send_close(self, disconnect: Disconnect) -> None:
        """Close in order: the close frame goes behind what was written, ``receive`` returns the disconnect now."""
        if self.closing:
            return
        self.conn.send_close(disconnect.code, disconnect.reason)
        self._leave(disconnect)

    def abort(self, disconnect: Disconnect) -> None:
        """Close at once: what the kernel has not taken is dropped, ``receive`` returns a disconnect."""
        if not self.closing:
            self.disconnect = disconnect
        self._drop_backlog()
        self.transport.abort()

    # What the transport calls.

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.backlog is None:
            self.backlog = deque()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.closing:  # a close frame has been written: nothing may follow it
            self._drop_backlog()
        while self.backlog and self.writable.is_set():
            self.transport.write(self._next_piece(WRITE_BUFFER_HIGH))
        if self.writable.is_set():
            self.backlog = None

    def _next_piece(self, least: float) -> bytes:
        """Take more than ``least`` bytes off the backlog, or all of it."""
        frames, size = [], 0
        while self.backlog and size <= least:
            frames.append(self.backlog.popleft())
            size += len(frames[-1])
        self.backlog_size -= size
        return b"".join(frames)

    def _drop_backlog(self) -> None:
        if self.backlog:
            self.backlog.clear()
        self.backlog_size = 0
        self.soon = b""

    # Opening.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_HIGH, low=WRITE_BUFFER_LOW)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            # The task of the application exists but has not run: it will find the extension.
            self.scope["extensions"][EXTENSION] = {"connection": self}

    def start_keepalive(self) -> None:
        """Called when the handshake is done. The hub sends the pings; what only the handshake needed is let go."""
        self.request.headers.clear()  # the parser's frame keeps the request itself
        del self.request, self.response

    # Receiving.

    def data_received(self, data: bytes) -> None:
        self.received_at = time.monotonic()
        if self.refused:
            return
        if self.at_rest and not self.close_sent and (text := whole_text(data)) is not None:
            self.hand_over({"type": "websocket.receive", "text": text})
            return
        super().data_received(data)
        self.at_rest = resting(self.conn)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))  # 414 or 431, which uvicorn forgets to send
            self.transport.close()

    def hand_over(self, event: ASGIReceiveEvent) -> None:
        """Have the application begin with ``event`` in this same step, if it wants to; what is left it receives."""
        left: ASGIReceiveEvent | None = event
        if self.begin is not None and self.queue.empty():
            left = self.begin(event)
        if left is not None:
            super().hand_over(left)

    async def receive(self) -> ASGIReceiveEvent:
        event = await self.queue.get()
        if self.read_paused and not self.queue.waiting:
            self.read_paused = False
            self.transport.resume_reading()
        return event

    def eof_received(self) -> None:
        self._expect_end()

    def handle_cont(self, event: Frame) -> None:
        """Refuse a message whose fragments are mostly heads: it is too large, whatever is in them."""
        self.unfinished = 0 if event.fin else self.unfinished + FRAGMENT_HEAD + len(event.data)
        if self.unfinished > FRAGMENT_OVERHEAD * self.config.ws_max_size:
            self._refuse(disconnects.TOO_LARGE)
        elif event.data or event.fin:  # empty fragments need not be kept
            super().handle_cont(event)

    def handle_ping(self) -> None:
        if self.writable.is_set() and not self.close_sent:
            super().handle_ping()
        else:
            # Who sends pings and does not read gets no pongs, or they would pile up here; nor does who was refused for
            # what came before the ping in the same read.
            self.conn.data_to_send()

    # Closing.

    def handle_close(self, event: Frame) -> None:
        if self.soon and self.backlog is None and not self.closing:
            self.transport.write(self.soon)
        self._drop_backlog()
        super().handle_close(event)
        self._expect_end()

    def handle_parser_exception(self) -> None:
        """Refuse what the peer sent. What follows is read and dropped: a reset would overtake our close frame."""
        close = self.conn.close_sent
        if self.close_sent or close is None:  # closing already: nothing to add
            self.transport.abort()
            return
        self.refused = True
        known = (row for row in disconnects.TABLE if row.code == close.code)
        self._leave(next(known, disconnects.PROTOCOL_ERROR))
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def shutdown(self) -> None:
        """Called by uvicorn when it stops: 1012, and time for the peer to answer it."""
        if self.handshake_complete and not self.closing:
            self.send_close(disconnects.RESTART)
        elif not self.handshake_complete:
            super().shutdown()
            self._expect_end()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._expect_end()

    def _leave(self, disconnect: Disconnect) -> None:
        """Write the close frame that ``conn`` holds, tell the application, and wait for the peer, but not for long."""
        self.disconnect = disconnect
        self.close_sent = True
        self.transport.write(self._next_piece(math.inf) + self.soon + b"".join(self.conn.data_to_send()))
        self.soon = b""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": disconnect.code, "reason": disconnect.reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._expect_end()

    def _expect_end(self) -> None:
        if self.disconnected:
            return
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(CLOSE_TIMEOUT, self.transport.abort)
