"""What one connection has yet to be sent.

`Outbox` is also the socket that simple-websocket works on: data, pongs and closes go out in one order, under one lock,
and none of them ever waits. May be used from any thread; has the outline of `async_chat.outbox`.
"""

import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from chat_core import disconnects
from chat_core.codec import text_frame
from chat_core.disconnects import Disconnect
from sync_chat import flusher

PING: Final = b"\x89\x00"
# The closings that simple-websocket decides by itself; any other code it sends repeats the peer's.
REFUSALS: Final = {
    row.code: row for row in (disconnects.PROTOCOL_ERROR, disconnects.INVALID_UTF8, disconnects.TOO_LARGE)
}


class Outbox:
    """A non-blocking send and a backlog for what the kernel did not take, bounded by ``hard`` bytes.

    Takes the place of ``environ["gunicorn.socket"]`` and strips the offer of permessage-deflate, which simple-websocket
    would accept. ``upgraded`` says whether a handshake was answered.
    """

    __slots__ = (
        "_aborted",
        "_backlog",
        "_closing",
        "_ended",
        "_hard",
        "_lock",
        "_nonblocking",
        "_socket",
        "_watched",
        "disconnect",
        "queued",
        "received_at",
        "stale",
        "upgraded",
    )

    def __init__(self, environ: dict[str, Any], hard: int) -> None:
        self._socket: socket.socket = environ["gunicorn.socket"]
        # A gevent socket waits in `send` whatever the flags; the one inside it does not.
        self._nonblocking: socket.socket = getattr(self._socket, "_sock", self._socket)
        self._lock = threading.Lock()
        self._hard = hard
        self._backlog: deque[bytes | memoryview] | None = None
        self._closing = False
        self._aborted = False
        self._ended = False
        self._watched = False
        self.upgraded = False
        self.queued = 0  # bytes that the kernel has not taken yet
        self.stale = False
        self.received_at = time.monotonic()  # of the last bytes from the peer, pongs included
        self.disconnect: Disconnect | None = None  # why this side closed; None while open and when the peer went first
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        environ["gunicorn.socket"] = self

    @staticmethod
    def prepare(payloads: Sequence[bytes]) -> bytes:
        """Return one text frame per payload, ready for any number of connections."""
        return b"".join(map(text_frame, payloads))

    def write(self, prepared: bytes) -> None:
        """Send ``prepared`` behind what is queued; abort a consumer that has more than ``hard`` bytes to take."""
        with self._lock:
            if self._closing:
                return
            self._put(prepared)
            slow = self.queued > self._hard
        if slow:
            self.abort(disconnects.SLOW)

    def ping(self) -> None:
        """Ask for a sign of life; not where bytes are queued: taking those is one."""
        with self._lock:
            if not (self._closing or self.queued):
                self._put(PING)

    def close(self, disconnect: Disconnect) -> None:
        """Close in order, behind what is queued. Ends in a few seconds, with or without the peer."""
        with self._lock:
            if self._closing:
                return
            self.disconnect = disconnect
            reason = disconnect.reason.encode()
            self._put(b"\x88%c%b%b" % (2 + len(reason), disconnect.code.to_bytes(2, "big"), reason))
            self._end()

    def abort(self, disconnect: Disconnect) -> None:
        """Close at once: the reader wakes with a disconnect, what is queued is dropped."""
        with self._lock:
            if self._aborted:
                return
            if not self._closing:
                self.disconnect = disconnect
            self._closing = self._aborted = True
            self._drop_backlog()
            self._shut(socket.SHUT_RDWR)

    # What simple-websocket uses. Its `close` is not here: the descriptor is gunicorn's.

    def send(self, data: bytes) -> int:
        """Put simple-websocket's own bytes (handshake, pongs, close) behind what is queued."""
        with self._lock:
            if self._closing:
                return len(data)
            self.upgraded = True
            self._put(data)
            slow = self.queued > self._hard
            code = _close_code(data)
            if code is not None:
                self.disconnect = REFUSALS.get(code)
                self._end()
        if slow:
            self.abort(disconnects.SLOW)
        return len(data)

    def recv(self, size: int) -> bytes:
        """Wait for bytes from the peer; b"" at its end. What comes after a close is read and dropped."""
        with suppress(OSError):  # a lost connection is an end like any other
            while data := self._socket.recv(size):
                self.received_at = time.monotonic()
                if not self._closing:
                    return data
        with self._lock:
            self._closing = self._ended = True
        return b""

    def fileno(self) -> int:
        """Return the descriptor, for selectors."""
        return self._socket.fileno()

    # What the flusher and the worker use.

    def flush(self) -> bool:
        """Write what the socket takes of the backlog; return whether anything is left."""
        with self._lock:
            while self._backlog:
                head = self._backlog[0]
                sent = self._take(head)
                self.queued -= sent
                if sent < len(head):
                    if self._backlog:
                        self._backlog[0] = memoryview(head)[sent:]
                    return not self._aborted
                self._backlog.popleft()
            self._drop_backlog()
            if self._closing:
                self._shut(socket.SHUT_WR)
            return False

    def linger(self) -> None:
        """See the closing through, in the connection's own thread, before the descriptor is closed.

        Bytes that are still on their way would turn our close frame into a reset, so they are read until the end of the
        peer; the flusher ends the wait when the peer does not.
        """
        self.close(disconnects.INTERNAL)  # for a handler that ended and closed nothing
        if not self._ended:
            self.recv(65536)
        with self._lock:
            self._aborted = True
            self._drop_backlog()
        if self._watched:
            flusher.forget(self)

    # With the lock held.

    def _put(self, data: bytes) -> None:
        if self._backlog is not None:
            self._backlog.append(data)
            self.queued += len(data)
            return
        sent = self._take(data)
        if sent < len(data) and not self._aborted:
            self._backlog = deque((memoryview(data)[sent:],))
            self.queued = len(data) - sent
            self._watched = True
            flusher.watch(self)

    def _take(self, data: bytes | memoryview) -> int:
        """Return how many bytes the kernel took."""
        try:
            return self._nonblocking.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:  # the peer is gone, and the reader is about to hear it
            self._closing = self._aborted = True
            self._drop_backlog()
            return 0

    def _end(self) -> None:
        self._closing = True
        if self._backlog is None:
            self._shut(socket.SHUT_WR)
        flusher.expect_end(self)

    def _drop_backlog(self) -> None:
        self._backlog = None
        self.queued = 0

    def _shut(self, how: int) -> None:
        with suppress(OSError):  # the peer was faster
            self._nonblocking.shutdown(how)


def _close_code(frames: bytes) -> int | None:
    """Return the code of the close frame that ends these control frames; None if none does, 0 if it has no code."""
    while frames[:1] == b"\x8a":  # pongs before it
        frames = frames[2 + frames[1] :]
    return int.from_bytes(frames[2:4], "big") if frames[:1] == b"\x88" else None
