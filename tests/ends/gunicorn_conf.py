"""The settings of gunicorn that `sync_chat` needs, for the application of these tests."""

from typing import Any

wsgi_app = "tests.ends.sync_app:app"
threads = 64
worker_connections = 80
timeout = 30
graceful_timeout = 6
keepalive = 5
control_socket_disable = True
loglevel = "warning"


def post_worker_init(worker: Any) -> None:
    from tests.ends import sync_app

    sync_app.worker = worker
