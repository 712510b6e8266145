"""A Flask application with the same commands."""

import time
from typing import Any

from flask import Flask, request
from flask_sock import Sock
from wsproto.utilities import RemoteProtocolError

from chat_core import disconnects
from sync_chat.outbox import Outbox
from sync_chat.ws_protocol import server_options
from tests.ends.commands import HARD, MAX_FRAME, perform

app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = server_options(MAX_FRAME)
outboxes: set[Outbox] = set()
worker: Any = None


@app.before_request
def upgrade() -> None:
    if request.path == "/ws":
        request.environ["tandem.outbox"] = Outbox(request.environ, HARD)


@app.errorhandler(RemoteProtocolError)
def refuse(error: RemoteProtocolError) -> tuple[str, int]:
    """Answer a handshake that is none, before anything was upgraded."""
    return str(error), 400


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@Sock(app).route("/ws")  # type: ignore[untyped-decorator]
def serve(ws: Any) -> None:
    outbox: Outbox = request.environ["tandem.outbox"]
    outboxes.add(outbox)
    try:
        while True:
            message = ws.receive()
            if isinstance(message, bytes):
                outbox.close(disconnects.BINARY_FRAME)
            else:
                perform(message, outbox, outboxes, getattr(worker, "nr_conns", 0))
    finally:
        outboxes.discard(outbox)


def drain(seconds: float) -> None:
    """Close every connection with 1012, and wait for those that answer."""
    deadline = time.monotonic() + min(seconds, 1.0)
    for outbox in list(outboxes):
        outbox.close(disconnects.RESTART)
    while outboxes and time.monotonic() < deadline:
        time.sleep(0.01)


app.drain = drain  # type: ignore[attr-defined]
