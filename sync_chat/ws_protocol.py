"""simple-websocket without a thread of its own: the handler that waits for a message reads the socket itself.

simple-websocket starts a thread per connection that reads into an unbounded list and sets an event. It lets both
classes be chosen, so here the thread does not start and the event, when waited for, runs the same receive loop in the
waiting thread until a message (or the end) is there. A connection costs one thread and one descriptor, and a peer is
read no faster than its handler works. Pings are answered while the handler waits.

Nearly every message comes as one whole frame, alone. Such a one is taken where it is read: through wsproto it would
cost thirty times as much. Everything else goes through wsproto, and so does what follows until that is between two
messages again.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from chat_core import disconnects
from chat_core.codec import whole_text
from chat_core.limits import FRAGMENT_OVERHEAD
from sync_chat.outbox import Outbox

READ: Final = 1024
"""Bytes that a waiting connection has room for; a frame that is longer is parsed as it comes."""


class Received(Exception):
    """Something is there for the handler: ends the receive loop, and is no error."""


class Turnstile:
    """simple-websocket's event, and its socket from when the handshake is done."""

    __slots__ = ("_connection", "_outbox", "_read", "_receive_loop", "_resting", "_set", "_unfinished")

    def __init__(self) -> None:
        self._set = False
        self._resting = False  # whether wsproto is between two messages, and has nothing of the next
        self._read: bytes | None = None  # what was read and is for wsproto
        self._unfinished = 0  # bytes of a message of which wsproto has not seen the end

    def attach(self, connection: Any, receive_loop: Callable[[], None]) -> None:
        """Read for ``connection`` from its socket, an `Outbox`, by calling ``receive_loop``."""
        self._connection = connection
        self._outbox: Outbox = connection.sock
        self._receive_loop = receive_loop

    # The event.

    def set(self) -> None:
        self._set = True
        self._unfinished = 0

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Read until `set`. There is no other thread that could give up: ``timeout`` must be None."""
        if timeout is not None:
            raise NotImplementedError("receive(timeout=...): the handler itself reads, and waits as long as it takes")
        if not self._set and not self._take():
            with suppress(Received):
                self._receive_loop()
            self._resting = resting(self._connection)
        return True

    def _take(self) -> bool:
        """Wait for bytes; return whether they were a message, else they are for wsproto."""
        if not self._resting:
            return False
        self._read = self._outbox.recv(READ)
        text = whole_text(self._read)
        if text is None:
            return False
        self._read = None
        self._connection.input_buffer.append(text)
        return True

    # The socket.

    def recv(self, size: int) -> bytes:
        if self._read is not None:
            read, self._read = self._read, None
            return read
        if self._set:
            raise Received
        time.sleep(0)  # greenlets take turns only when they wait, and who floods leaves nothing to wait for
        return self._parsed(self._outbox.recv(size))

    def _parsed(self, data: bytes) -> bytes:
        """Return ``data`` for wsproto; the end of the peer where its message consists of heads: that is too large."""
        self._unfinished = self._unfinished + len(data) if within_message(self._connection) else 0
        if self._unfinished > FRAGMENT_OVERHEAD * self._connection.max_message_size:
            self._outbox.close(disconnects.TOO_LARGE)
            return self._outbox.recv(READ)  # its end, when that comes
        return data

    def send(self, data: bytes) -> int:
        return self._outbox.send(data)

    def close(self) -> None:
        """Nothing: gunicorn closes the descriptor."""


def within_message(connection: Any) -> bool:
    """Return whether wsproto has read a part of a message. It does not say so itself: its state has to be looked at."""
    return connection.ws.connection._proto._message_decoder.opcode is not None


def resting(connection: Any) -> bool:
    """Return whether wsproto has read whole frames only, and of whole messages."""
    frames = connection.ws.connection._proto._frame_decoder
    return frames.header is None and not frames.buffer and not within_message(connection)


class Answered:
    """What is left of wsproto's handshake once it is over: without the parser of the request, which takes 4 KiB."""

    @staticmethod
    def events() -> tuple[()]:
        return ()


class NoThread:
    """simple-websocket's thread: connects what it would have run to the event."""

    name = ""

    def __init__(self, target: Callable[[], None]) -> None:
        connection: Any = target.__self__  # type: ignore[attr-defined]
        connection.event.attach(connection, target)
        connection.sock = connection.event
        connection.ws.handshake = Answered

    def start(self) -> None:
        """Nothing: `Turnstile.wait` runs the target."""


def server_options(max_size: int) -> dict[str, Any]:
    """Return flask-sock's ``SOCK_SERVER_OPTIONS`` for messages of at most ``max_size`` characters."""
    return {
        "max_message_size": max_size,
        "receive_bytes": READ,
        "thread_class": NoThread,
        "event_class": Turnstile,
    }
