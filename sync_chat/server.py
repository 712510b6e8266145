"""gunicorn, as this application needs it: our workers on one listener, with time to drain."""

from socket import socket
from typing import Any, Final

from gunicorn.app.base import BaseApplication

from chat_core.settings import Settings
from launch.workers import buried

SHUTDOWN_SECONDS: Final = 5
"""After the drain: time for peers that never answer, before they are cut."""
WAITING_CONNECTIONS: Final = 4096
"""Connections beyond the threads that a worker accepts all the same: idle HTTP ones, and those to be refused."""
WORKERS: Final = {"gthread": "sync_chat.worker.ChatWorker", "gevent": "sync_chat.gevent_worker.ChatGeventWorker"}


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


def serve(settings: Settings, listener: socket) -> None:
    """Serve on ``listener`` until told to stop."""
    Server(settings, listener).run()
