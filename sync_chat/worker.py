"""gunicorn's thread worker, made fit for connections that stay: ``worker_class="sync_chat.worker.ChatWorker"``.

What differs from `gunicorn.workers.gthread`:

- a peer that does not answer our close keeps its own pool thread waiting, not the thread that accepts for everybody,
  and is counted out of ``nr_conns`` once;
- running out of descriptors or threads pauses accepting instead of ending the worker;
- a worker told to stop closes its copy of the listener, so that new connections go to its siblings; it then calls
  ``app.drain(seconds)`` and exits before gunicorn's graceful timeout, whatever peers do.
"""

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

from sync_chat import flusher
from sync_chat.flusher import CLOSE_TIMEOUT
from sync_chat.outbox import Outbox

# Stack that is not touched takes no memory. With less, Python 3.11 crashes where it should raise RecursionError: it
# allows 1,000 nested calls, and below 768 KiB those that go through C do not fit.
STACK_BYTES: Final = 1024 * 1024
EXIT_MARGIN: Final = 1.0  # seconds between the last connection's end and gunicorn's patience
ACCEPT_PAUSE: Final = 1.0  # seconds without accepting after running out of descriptors or threads
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def see_connections_through(app: WsgiApp) -> WsgiApp:
    """Return ``app`` with an orderly end of its WebSocket connections, whatever their handlers do."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        upgraded = False
        try:
            response = app(environ, start_response)
        finally:
            outbox = environ["gunicorn.socket"]
            if isinstance(outbox, Outbox) and outbox.upgraded:
                upgraded = True
                outbox.linger()
        if upgraded:  # the handler crashed, and Flask has an HTTP response that no one can read any more
            raise StopIteration
        return response

    return serve


class Drains:
    """What the worker classes share. ``serving`` are the sockets that handlers work on."""

    cfg: Any
    log: Any
    wsgi: WsgiApp

    def load_wsgi(self) -> None:
        """Load the application, and start what its connections need in this process."""
        super().load_wsgi()  # type: ignore[misc]
        flusher.start()
        self.serving: set[socket.socket] = set()
        self.wsgi_drain: Callable[[float], object] | None = getattr(self.wsgi, "drain", None)
        self.wsgi = see_connections_through(self.wsgi)

    def drain(self) -> None:
        """Let the application close its connections, then end those that are left before gunicorn does."""
        deadline = time.monotonic() + self.cfg.graceful_timeout - EXIT_MARGIN
        if self.wsgi_drain is not None:
            try:
                self.wsgi_drain(max(0.0, self.cfg.graceful_timeout - EXIT_MARGIN - CLOSE_TIMEOUT))
            except Exception:
                self.log.exception("Draining the application failed")
        time.sleep(max(0.0, deadline - time.monotonic()))
        for sock in list(self.serving):
            with suppress(OSError):  # it has just ended by itself
                sock.shutdown(socket.SHUT_RDWR)


class ChatWorker(Drains, ThreadWorker):  # type: ignore[misc]
    """One thread for accepting and for idle HTTP connections, and one per request or WebSocket connection."""

    alive: bool
    accept_again_at = 0.0
    draining = False

    def init_process(self) -> None:
        """Set the stack size before any thread exists."""
        threading.stack_size(STACK_BYTES)
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Accept one connection, or pause where the machine has no room for it."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self.pause_accepting(error)

    def enqueue_req(self, conn: TConn) -> None:
        """Give ``conn`` to the pool, or close it where no thread can be had."""
        try:
            super().enqueue_req(conn)
        except RuntimeError as error:
            self.nr_conns -= 1
            conn.close()
            self.pause_accepting(error)

    def pause_accepting(self, error: Exception) -> None:
        """Leave new connections in the kernel's queue for a moment."""
        self.log.warning("Accepting no connections for %.0f s: %s", ACCEPT_PAUSE, error)
        self.accept_again_at = time.monotonic() + ACCEPT_PAUSE
        super().set_accept_enabled(False)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Called by the main loop on every turn that finds it wrong, and a last time when the worker is to stop."""
        super().set_accept_enabled(enabled and self.alive and time.monotonic() >= self.accept_again_at)
        if not (self.alive or self.draining):
            self.draining = True
            for listener in self.sockets:
                listener.close()
            threading.Thread(target=self.drain, name="drain", daemon=True).start()

    def is_parent_alive(self) -> bool:
        """Say whether to go on: without an arbiter the worker is to stop, and drains as well."""
        if not super().is_parent_alive():
            self.alive = False  # never set to True: a signal may have come meanwhile
        return self.alive

    def handle(self, conn: TConn) -> Any:
        """Serve one request in a pool thread; close there what is not kept, waiting for the peer if need be."""
        self.serving.add(conn.sock)
        try:
            kept = super().handle(conn)
            if not kept:
                conn.close(graceful=True)
        finally:
            self.serving.discard(conn.sock)
        return kept

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        """Count out what `handle` closed; everything else is as in the base class."""
        if fs.cancelled() or fs.exception() is not None or fs.result():
            super().finish_request(conn, fs)
        else:
            self.nr_conns -= 1
