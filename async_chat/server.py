"""uvicorn, as this application needs it: workers on one listener, and a drain before uvicorn's own shutdown."""

import logging
import os
from socket import socket
from typing import Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from async_chat.http_protocol import ChatHttpProtocol, Config
from async_chat.ws_protocol import ChatWebSocketProtocol, PortableWebSocketProtocol
from chat_core.settings import Settings
from launch.workers import alone, buried, stop_all

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS: Final = 5
"""After the drain: time for peers that never answer, before they are cut."""


class DrainingServer(uvicorn.Server):
    """One worker. Told to stop, it sends its members away one by one, and leaves the listener to its siblings.

    Where there are none it answers newcomers until the last member has gone: with 503 and when to come back.
    """

    supervisor: int | None = None
    """The process without which this one is to end, as gunicorn's workers do."""

    async def on_tick(self, counter: int) -> bool:
        """Say whether to stop; asked ten times a second."""
        orphaned = self.supervisor is not None and os.getppid() != self.supervisor
        return await super().on_tick(counter) or orphaned

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Drain, and only then do what uvicorn does."""
        if not alone(self.config.workers, os.environ["CHAT_RUNTIME_DIR"]):
            for server in self.servers:
                server.close()
            for listener in sockets or []:
                listener.close()
        await self.config.loaded_app.drain()
        await super().shutdown(sockets)
        # uvicorn would raise them again, and the process would end before whoever called `run` can tidy up.
        self._captured_signals.clear()


class Worker(multiprocess.Process):
    """A worker as uvicorn's supervisor keeps it."""

    @property
    def server(self) -> uvicorn.Server:
        """The server that runs in the process."""
        if self._server is None:
            self._server = DrainingServer(config=self.config)
            self._server.supervisor = os.getppid()
        return self._server

    def start(self) -> None:
        """Start the process, and give its end of the pipe away with it.

        As long as we held a copy, a worker that died before it answered a healthcheck would be waited for, and not
        replaced, for all of the healthcheck's patience.
        """
        super().start()
        self.child_conn.close()

    def target(self, sockets: list[socket] | None = None) -> None:
        """Serve, in the process. One that cannot begin says so, or the supervisor would start one after the other."""
        try:
            super().target(sockets)
        except Exception:
            if self.server.started:
                raise
            logger.exception("a worker cannot begin")
            raise SystemExit(STARTUP_FAILURE) from None

    def join(self) -> None:
        """Wait for the process, say so if it ended badly, and bury it."""
        super().join()
        if self.exitcode:
            logger.warning("worker %s ended with exit code %s", self.pid, self.exitcode)
        if self.pid is not None:
            buried(self.pid)


class Supervisor(multiprocess.Multiprocess):
    """uvicorn's, which would keep the listener open until its last worker has ended, and tell none that all stop."""

    def terminate_all(self) -> None:
        """Stop all workers. Each holds the listener as long as it answers; nobody is to wait where nobody accepts."""
        stop_all(os.environ["CHAT_RUNTIME_DIR"])
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


# uvicorn's supervisor has no setting for the class of its workers.
multiprocess.Process = Worker  # type: ignore[misc]


def serve(settings: Settings, listener: socket) -> None:
    """Serve on ``listener`` until told to stop."""
    config = Config(
        "async_chat.app:create",
        factory=True,
        workers=settings.workers,
        loop="uvloop",
        http=ChatHttpProtocol,
        ws=ChatWebSocketProtocol if settings.prepared_frames else PortableWebSocketProtocol,
        ws_max_size=settings.max_frame,
        ws_per_message_deflate=False,
        # With prepared frames the hub sends the pings; the standard gives an application no other way to.
        ws_ping_interval=None if settings.prepared_frames else settings.ping_interval,
        ws_ping_timeout=settings.ping_timeout,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_worker_healthcheck=30,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    config.handshake_timeout = settings.handshake_timeout
    if settings.workers == 1:
        server = DrainingServer(config)
        server.run(sockets=[listener])
        failed = not server.started
    else:
        supervisor = Supervisor(config, sockets=[listener])
        supervisor.run()
        failed = any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes)
    if failed:  # said by uvicorn in the log, but not to whoever started us
        raise SystemExit(STARTUP_FAILURE)
