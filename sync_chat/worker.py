"""gunicorn's thread worker, made fit for connections that stay: ``worker_class="sync_chat.worker.ChatWorker"``.

What differs from `gunicorn.workers.gthread`:

- an upgraded connection is taken over from the request in a thread of its own, whose stack is shallow and which keeps
  nothing of the request alive: half of the memory that conversing inside the request takes;
- a request takes a thread once its head is whole, which has ``app.handshake_timeout`` seconds to arrive, and so has the
  body after that: peers that send one byte at a time hold up nobody;
- a peer that does not answer our close keeps its own thread waiting, not the thread that accepts for everybody, and is
  counted out of ``nr_conns`` once;
- running out of descriptors or threads pauses accepting instead of ending the worker;
- a worker told to stop calls ``app.drain(seconds)`` and exits before gunicorn's graceful timeout, whatever peers do. If
  siblings go on, it first closes its copy of the listener, so that new connections go to them; else it answers new
  ones until the application has drained.
"""

import errno
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

from chat_core import problems
from launch.workers import alone
from sync_chat import flusher
from sync_chat.outbox import Outbox

# Stack that is not touched takes no memory. With less, Python 3.11 crashes where it should raise RecursionError: it
# allows 1,000 nested calls, and below 768 KiB those that go through C do not fit.
STACK_BYTES: Final = 1024 * 1024
EXIT_MARGIN: Final = 1.0  # seconds between the last connection's end and gunicorn's patience
ACCEPT_PAUSE: Final = 1.0  # seconds without accepting after running out of descriptors or threads
HANDSHAKE_TIMEOUT: Final = 10.0  # seconds, for an application that does not say
HEAD_END: Final = b"\r\n\r\n"
LARGEST_HEAD: Final = 64 * 1024  # bytes after which the parser is to say what is wrong with a head
STOP_LINGER: Final = 2.0  # seconds that a head has to arrive when the worker stops
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

CONVERSATION: Final = "tandem.conversation"
"""Where an application leaves in ``environ`` what is to be called once the request is over, if it upgraded."""
TOO_SLOW: Final = "tandem.too_slow"
"""In ``environ`` where the body did not arrive in time and was cut off."""
DETACHED: Final = object()
"""What ``handle`` returns for a connection that has a thread of its own by now."""

Conversation = Callable[[], None]
WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Drains:
    """What the worker classes share. ``serving`` are the sockets that are worked on."""

    alive: bool
    cfg: Any
    log: Any
    wsgi: WsgiApp

    def load_wsgi(self) -> None:
        """Load the application, and start what its connections need in this process."""
        super().load_wsgi()  # type: ignore[misc]
        flusher.start()
        self.serving: set[socket.socket] = set()
        self.bodies: dict[socket.socket, tuple[float, dict[str, Any]]] = {}
        self.handshake_timeout: float = getattr(self.wsgi, "handshake_timeout", HANDSHAKE_TIMEOUT)
        self.wsgi_gave_up: Callable[[], object] = getattr(self.wsgi, "gave_up", lambda: None)
        self.wsgi_drain: Callable[[float], object] | None = getattr(self.wsgi, "drain", None)
        self.wsgi = self.through(self.wsgi)

    def through(self, app: WsgiApp) -> WsgiApp:
        """Return ``app`` with upgraded connections taken over, and ended in order whatever their handlers do."""

        def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            upgraded = False
            sock = environ["gunicorn.socket"]
            if "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") != "0":
                self.bodies[sock] = time.monotonic() + self.handshake_timeout, environ
            try:
                response = app(environ, start_response)
            finally:
                self.bodies.pop(sock, None)
                outbox = environ["gunicorn.socket"]
                if isinstance(outbox, Outbox) and outbox.upgraded:
                    upgraded = True
                    self.take_over(outbox, environ.pop(CONVERSATION, None))
            if upgraded:  # what Flask has to say by now is for nobody
                raise StopIteration
            return response

        return serve

    def end_slow_bodies(self) -> None:
        """Let who waits for a body that does not come in time go on without it."""
        for sock, (deadline, environ) in list(self.bodies.items()):
            if deadline > time.monotonic():
                return
            environ[TOO_SLOW] = True
            self.bodies.pop(sock, None)
            self.wsgi_gave_up()
            with suppress(OSError):  # it has just ended by itself
                sock.shutdown(socket.SHUT_RD)

    def take_over(self, outbox: Outbox, conversation: Conversation | None) -> None:
        """Hold the ``conversation``, if the application left one, and see the closing of the connection through."""
        try:
            if conversation is not None:
                conversation()
        finally:
            outbox.linger()

    def alone(self) -> bool:
        """Return whether nobody would serve if this worker left the listener."""
        return alone(self.cfg.workers, os.environ.get("CHAT_RUNTIME_DIR", ""))

    def drain(self) -> None:
        """Let the application close its connections, then end those that are left before gunicorn does."""
        deadline = time.monotonic() + self.cfg.graceful_timeout - EXIT_MARGIN
        if self.wsgi_drain is not None:
            try:
                self.wsgi_drain(max(0.0, self.cfg.graceful_timeout - EXIT_MARGIN - flusher.CLOSE_TIMEOUT))
            except Exception:
                self.log.exception("Draining the application failed")
        self.leave()
        time.sleep(max(0.0, deadline - time.monotonic()))
        for sock in list(self.serving):
            with suppress(OSError):  # it has just ended by itself
                sock.shutdown(socket.SHUT_RDWR)

    def leave(self) -> None:
        """Accept no more: called when the application has drained."""
        raise NotImplementedError


class Head:
    """What has come of a request's head, and since when it is waited for."""

    __slots__ = ("began", "data")

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.data = bytearray()

    @property
    def whole(self) -> bool:
        """Whether the parser will not have to wait."""
        return len(self.data) >= LARGEST_HEAD or HEAD_END in self.data


class ChatWorker(Drains, ThreadWorker):  # type: ignore[misc]
    """One thread for accepting and for idle HTTP connections, and one per request or WebSocket connection."""

    accept_again_at = 0.0
    draining = False

    def init_process(self) -> None:
        """Set the stack size before any thread exists."""
        threading.stack_size(STACK_BYTES)
        self.upgraded: dict[int, Conversation] = {}
        self.heads: dict[TConn, Head] = {}
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
        """Wait for the head of the next request on ``conn``, part of which may have come behind the last one."""
        head = Head()
        if conn.parser is not None:
            head.data += conn.parser.unreader.take_buffered()
        conn.sock.setblocking(False)
        if self.read_head(conn, head):
            self.dispatch(conn, head)
        else:
            self.heads[conn] = head
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_head_readable, conn, head))

    def on_head_readable(self, conn: TConn, head: "Head", _: socket.socket) -> None:
        """More of a head has come, or its end."""
        if self.read_head(conn, head):
            self.forget_head(conn)
            self.dispatch(conn, head)

    def read_head(self, conn: TConn, head: "Head") -> bool:
        """Read what there is of a head; return whether it is whole, or never will be."""
        if head.whole:
            return True
        try:
            data = conn.sock.recv(LARGEST_HEAD)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        head.data += data
        return not data or head.whole

    def forget_head(self, conn: TConn) -> None:
        """Cease to wait for a head."""
        del self.heads[conn]
        self.poller.unregister(conn.sock)

    def dispatch(self, conn: TConn, head: "Head") -> None:
        """Have the request served whose head this is, or close where none came."""
        if head.data:
            self.submit(conn, bytes(head.data))
        else:
            self.nr_conns -= 1
            conn.close()

    def murder_pending(self) -> None:
        """Called by the main loop on every turn: end those whose time to send a request is over."""
        super().murder_pending()
        patience = self.handshake_timeout if self.alive else min(self.handshake_timeout, STOP_LINGER)
        while self.heads:
            conn, head = next(iter(self.heads.items()))  # the oldest
            if time.monotonic() < head.began + patience:
                break
            self.forget_head(conn)
            self.nr_conns -= 1
            self.wsgi_gave_up()
            if head.data:
                with suppress(OSError):  # it does not read either, or is gone
                    conn.sock.send(problems.last_message(problems.problem("too_slow")))
            conn.close()
        self.end_slow_bodies()

    def submit(self, conn: TConn, head: bytes) -> None:
        """Give ``conn`` to the pool, or close it where no thread can be had."""
        conn.init()
        conn.parser.unreader.unread(head)
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
        if not self.alive:
            for listener in self.sockets:
                listener.close()
            self.begin_drain()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Heed SIGTERM. Threads cannot be started where a signal may have interrupted just that: the main loop does."""
        if self.alone():
            self.method_queue.defer(self.begin_drain)
        else:
            super().handle_exit(sig, frame)

    def begin_drain(self) -> None:
        """Drain, beside the main loop."""
        if not self.draining:
            self.draining = True
            threading.Thread(target=self.drain, name="drain", daemon=True).start()

    def leave(self) -> None:
        """End the main loop, and with it the accepting."""
        if self.alive:
            self.alive = False
            self.method_queue.defer(lambda: None)

    def is_parent_alive(self) -> bool:
        """Say whether to go on: without an arbiter the worker is to stop, and drains as well."""
        if not super().is_parent_alive():
            self.alive = False  # never set to True: a signal may have come meanwhile
        return self.alive

    def handle(self, conn: TConn) -> Any:
        """Serve one request in a pool thread; close there what is not kept, waiting for the peer if need be."""
        kept: Any = False
        self.serving.add(conn.sock)
        try:
            kept = super().handle(conn)
            if conversation := self.upgraded.pop(conn.sock.fileno(), None):
                kept = DETACHED
                self.detach(conn, conversation)
            elif not kept:
                conn.close(graceful=True)
        finally:
            if kept is not DETACHED:
                self.serving.discard(conn.sock)
        return kept

    def take_over(self, outbox: Outbox, conversation: Conversation | None) -> None:
        """Put the conversation off until the request is over."""
        converse = partial(super().take_over, outbox, conversation)
        if conversation is None:
            converse()
        else:
            self.upgraded[outbox.fileno()] = converse

    def detach(self, conn: TConn, conversation: Conversation) -> None:
        """Hold ``conversation`` in a thread of its own, so that this one is free for the next request."""
        conn.parser = None  # and with it what it has read
        try:
            threading.Thread(target=self.converse, args=(conn, conversation), name="connection", daemon=True).start()
        except RuntimeError as error:
            self.method_queue.defer(self.pause_accepting, error)
            self.converse(conn, conversation)

    def converse(self, conn: TConn, conversation: Conversation) -> None:
        """Hold ``conversation`` to its end, and close the connection."""
        try:
            conversation()
        except Exception:
            self.log.exception("A conversation failed")
        finally:
            self.serving.discard(conn.sock)
            conn.close()
            self.method_queue.defer(self.count_out)

    def count_out(self) -> None:
        """One connection less; called in the main thread, which alone counts."""
        self.nr_conns -= 1

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        """Count out what `handle` closed; everything else is as in the base class."""
        if fs.cancelled() or fs.exception() is not None or (fs.result() and fs.result() is not DETACHED):
            super().finish_request(conn, fs)
        elif fs.result() is not DETACHED:
            self.count_out()
