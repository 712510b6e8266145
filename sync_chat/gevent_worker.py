"""gunicorn's gevent worker with the draining of `sync_chat.worker`: ``sync_chat.gevent_worker.ChatGeventWorker``."""

import os
import socket
import time
from functools import partial
from typing import Any, Final

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

from sync_chat.worker import Drains

TICK: Final = 0.1  # seconds until a signal is heeded


class ChatGeventWorker(Drains, GeventWorker):  # type: ignore[misc]
    """One greenlet per connection."""

    def run(self) -> None:
        """Serve until told to stop; then drain, leave the listener to the siblings, and return in time."""
        self.servers = [self.listen(listener) for listener in self.sockets]
        while self.alive:
            self.notify()
            self.end_slow_bodies()
            gevent.sleep(TICK)
        deadline = time.monotonic() + self.cfg.graceful_timeout
        if not self.alone():
            self.leave()
        gevent.spawn(self.drain)
        while any(server.pool for server in self.servers) and time.monotonic() < deadline:
            self.notify()
            gevent.sleep(TICK)

    def timeout_ctx(self) -> gevent.Timeout:
        """Return what bounds the wait for the head of a request; called in the greenlet of its connection."""
        return gevent.Timeout(self.handshake_timeout, False)

    def notify(self) -> None:
        """Tell the arbiter that this worker lives; without an arbiter it is to stop, and drains as well."""
        self.tmp.notify()
        if os.getppid() != self.ppid:
            self.alive = False

    def leave(self) -> None:
        """Accept no more."""
        for server in self.servers:
            server.close()

    def listen(self, listener: Any) -> StreamServer:
        """Return a started server on ``listener``."""
        server = StreamServer(listener, handle=partial(self.handle, listener), spawn=Pool(self.worker_connections))
        if self.cfg.workers > 1:
            server.max_accept = 1  # a storm of connections is to be shared with the siblings
        server.start()
        return server

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve the requests of one connection."""
        self.serving.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self.serving.discard(client)
