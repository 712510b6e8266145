"""One thread per process that writes what sockets did not take at once, and ends closings that last too long.

`start` is called by the worker, after the fork (and after gevent has patched `threading`, `socket` and `selectors`).
"""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from chat_core import disconnects
from chat_core.disconnects import Disconnect

CLOSE_TIMEOUT = 3.0
"""Seconds that a closing may take. Read anew by every closing: a process may set another before it serves."""


class Flushable(Protocol):
    """What the flusher knows of an outbox."""

    def fileno(self) -> int: ...
    def flush(self) -> bool: ...
    def abort(self, disconnect: Disconnect) -> None: ...


class Flusher:
    """Only its own thread touches the selector; others leave it a change to make and wake it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._changes: deque[Callable[[], object]] = deque()
        self._deadlines: deque[tuple[float, Flushable]] = deque()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)

    def request(self, change: Callable[[], object]) -> None:
        """Have ``change`` called in the flusher's thread."""
        self._changes.append(change)
        with suppress(BlockingIOError):  # full of wake-ups already
            self._wake_sender.send(b"\0")

    def run(self) -> None:
        """Work until the process ends."""
        while True:
            self.turn(max(0.0, self._deadlines[0][0] - time.monotonic()) if self._deadlines else None)

    def turn(self, timeout: float | None) -> None:
        """Wait up to ``timeout`` seconds for sockets that take bytes again, and do what is due."""
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                self._wake_receiver.recv(4096)
            elif not key.data.flush():
                self._selector.unregister(key.fileobj)
        while self._changes:
            self._changes.popleft()()
        while self._deadlines and self._deadlines[0][0] <= time.monotonic():
            self._deadlines.popleft()[1].abort(disconnects.LOST)

    def add(self, outbox: Flushable) -> None:
        """Begin to flush ``outbox`` whenever its socket takes bytes."""
        try:
            if outbox.fileno() not in self._selector.get_map():
                self._selector.register(outbox, selectors.EVENT_WRITE, outbox)
        except (OSError, ValueError):  # closed since, or no room in the kernel for one more
            outbox.abort(disconnects.LOST)

    def discard(self, outbox: Flushable, done: threading.Event) -> None:
        """Let go of ``outbox``, then set ``done``."""
        if outbox.fileno() in self._selector.get_map():
            self._selector.unregister(outbox)
        done.set()

    def add_deadline(self, outbox: Flushable) -> None:
        """Abort ``outbox`` in ``CLOSE_TIMEOUT`` seconds; a no-op for what has ended by then."""
        self._deadlines.append((time.monotonic() + CLOSE_TIMEOUT, outbox))


_flusher: Flusher


def start() -> None:
    """Start the flusher of this process."""
    global _flusher
    _flusher = Flusher()
    threading.Thread(target=_flusher.run, name="flusher", daemon=True).start()


def watch(outbox: Flushable) -> None:
    """Flush ``outbox`` from now on until nothing is left. Returns at once."""
    _flusher.request(partial(_flusher.add, outbox))


def expect_end(outbox: Flushable) -> None:
    """Abort ``outbox`` in ``CLOSE_TIMEOUT`` seconds. Returns at once."""
    _flusher.request(partial(_flusher.add_deadline, outbox))


def forget(outbox: Flushable) -> None:
    """Return when the flusher no longer knows the descriptor of ``outbox``, which may then be closed."""
    done = threading.Event()
    _flusher.request(partial(_flusher.discard, outbox, done))
    done.wait()
