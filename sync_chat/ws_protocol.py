"""simple-websocket without a thread of its own: the handler that waits for a message reads the socket itself.

simple-websocket starts a thread per connection that reads into an unbounded list and sets an event. It lets both
classes be chosen, so here the thread does not start and the event, when waited for, runs the same receive loop in the
waiting thread until a message (or the end) is there. A connection costs one thread and one descriptor, and a peer is
read no faster than its handler works. Pings are answered while the handler waits.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sync_chat.outbox import Outbox


class Received(Exception):
    """Something is there for the handler: ends the receive loop, and is no error."""


class Turnstile:
    """simple-websocket's event, and its socket from when the handshake is done."""

    __slots__ = ("_outbox", "_receive_loop", "_set")

    def __init__(self) -> None:
        self._set = False

    def attach(self, outbox: Outbox, receive_loop: Callable[[], None]) -> None:
        """Read from ``outbox`` by calling ``receive_loop``."""
        self._outbox = outbox
        self._receive_loop = receive_loop

    # The event.

    def set(self) -> None:
        self._set = True

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Read until `set`. There is no other thread that could give up: ``timeout`` must be None."""
        if timeout is not None:
            raise NotImplementedError("receive(timeout=...): the handler itself reads, and waits as long as it takes")
        if not self._set:
            with suppress(Received):
                self._receive_loop()
        return True

    # The socket.

    def recv(self, size: int) -> bytes:
        if self._set:
            raise Received
        return self._outbox.recv(size)

    def send(self, data: bytes) -> int:
        return self._outbox.send(data)

    def close(self) -> None:
        """Nothing: gunicorn closes the descriptor."""


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
        connection.event.attach(connection.sock, target)
        connection.sock = connection.event
        connection.ws.handshake = Answered

    def start(self) -> None:
        """Nothing: `Turnstile.wait` runs the target."""


def server_options(max_size: int) -> dict[str, Any]:
    """Return flask-sock's ``SOCK_SERVER_OPTIONS`` for messages of at most ``max_size`` characters."""
    return {"max_message_size": max_size, "thread_class": NoThread, "event_class": Turnstile}
