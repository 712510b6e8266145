"""A Flask application with the same commands.

As in `sync_chat`, it leaves a conversation for the worker; asked for ``/ws?within``, it converses inside the request.
"""

import time
from functools import partial
from typing import Any

from flask import Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed
from wsproto.utilities import RemoteProtocolError

from chat_core import disconnects
from sync_chat.outbox import Outbox
from sync_chat.worker import CONVERSATION
from sync_chat.ws_protocol import server_options
from tests.ends.commands import HARD, MAX_FRAME, perform

app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = server_options(MAX_FRAME)
outboxes: set[Outbox] = set()
worker: Any = None


class HandedOver(Exception):
    """Leaves flask-sock without its closing the connection."""


@app.before_request
def upgrade() -> None:
    g.over = []  # empty until the request is over
    if request.path == "/ws":
        g.outbox = Outbox(request.environ, HARD)


@app.teardown_request
def note_the_end(_: BaseException | None) -> None:
    g.over.append(True)


@app.errorhandler(RemoteProtocolError)
def refuse(error: RemoteProtocolError) -> tuple[str, int]:
    """Answer a handshake that is none, before anything was upgraded."""
    return str(error), 400


@app.errorhandler(HandedOver)
def say_nothing(_: HandedOver) -> Response:
    return Response(status=101)


@app.get("/healthz")
def healthz() -> str:
    return str(len(outboxes))


@Sock(app).route("/ws")  # type: ignore[untyped-decorator]
def serve(ws: Any) -> None:
    conversation = partial(converse, ws, g.outbox, g.over)
    if request.query_string == b"within":
        conversation()
    else:
        request.environ[CONVERSATION] = conversation
        raise HandedOver


def converse(ws: Any, outbox: Outbox, over: list[bool]) -> None:
    """Do what the peer asks until either side closes."""
    outboxes.add(outbox)
    try:
        while True:
            message = ws.receive()
            if isinstance(message, bytes):
                outbox.close(disconnects.BINARY_FRAME)
            else:
                nr_conns = getattr(worker, "nr_conns", 0)
                perform(message, outbox, outboxes, nr_conns=nr_conns, request_over=bool(over))
    except ConnectionClosed:
        pass
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
