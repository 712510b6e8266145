"""gunicorn, as this application needs it: our workers on one listener, with time to drain."""

import os
import signal
from socket import socket
from typing import Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from chat_core.settings import Settings
from launch.workers import buried, stop_all

SHUTDOWN_SECONDS: Final = 5
"""After the drain: time for peers that never answer, before they are cut."""
WAITING_CONNECTIONS: Final = 4096
"""Connections beyond the threads that a worker accepts all the same: idle HTTP ones, and those to be refused."""
STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
WORKERS: Final = {"gthread": "sync_chat.worker.ChatWorker", "gevent": "sync_chat.gevent_worker.ChatGeventWorker"}


class ChatArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's, which would tell none of its workers that all stop."""

    def stop(self, graceful: bool = True) -> None:
        """Stop all workers."""
        stop_all(os.environ["CHAT_RUNTIME_DIR"])
        super().stop(graceful)


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured by our settings alone."""

    def __init__(self, settings: Settings, listener: socket) -> None:
        self._settings = settings
        # Given away: a copy that stayed open in any process would keep newcomers waiting where nobody accepts any more.
        self._listener = listener.detach()
        super().__init__()

    def load_config(self) -> None:
        """Set what gunicorn would read from its own files and options."""
        for name, value in self._options().items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application; called in each worker."""
        from sync_chat.app import create  # not before the fork, and on gevent not before it has patched

        return create()

    def run(self) -> None:
        """Serve until told to stop."""
        os.register_at_fork(before=_hold_signals, after_in_parent=_heed_signals, after_in_child=_die_when_told)
        ChatArbiter(self).run()

    def _options(self) -> dict[str, object]:
        settings = self._settings
        return {
            "bind": f"fd://{self._listener}",
            "workers": settings.workers,
            "worker_class": WORKERS[settings.worker],
            "threads": settings.threads,
            "worker_connections": settings.threads + WAITING_CONNECTIONS,
            "graceful_timeout": round(settings.drain_seconds) + SHUTDOWN_SECONDS,
            "timeout": 30,
            "keepalive": 5,
            "backlog": 2048,
            "max_requests": 0,
            "loglevel": "warning",
            "control_socket_disable": True,
            "child_exit": lambda _, worker: buried(worker.pid),
        }


# A new worker inherits the master's handlers, which make a note for the loop of the master. One that was told to stop
# before it has its own would come up all the same, and the master wait for it as long as for one that drains.


def _hold_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)


def _heed_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _die_when_told() -> None:
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    _heed_signals()


def serve(settings: Settings, listener: socket) -> None:
    """Serve on ``listener`` until told to stop."""
    Server(settings, listener).run()
