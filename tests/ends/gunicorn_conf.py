"""The settings of gunicorn that `sync_chat` needs, for the application of these tests."""

from typing import Any

from sync_chat import flusher
from tests.ends.commands import CLOSE_TIMEOUT

wsgi_app = "tests.ends.sync_app:app"
threads = 16  # for requests; there are tests with more conversations than that
worker_connections = 80
timeout = 30
graceful_timeout = 6
keepalive = 5
control_socket_disable = True
loglevel = "warning"

flusher.CLOSE_TIMEOUT = CLOSE_TIMEOUT


def post_worker_init(worker: Any) -> None:
    from tests.ends import sync_app

    sync_app.worker = worker
