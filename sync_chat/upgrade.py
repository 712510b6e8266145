"""``GET /ws``: who may not come in gets an HTTP status before the upgrade, who may gets a connection.

flask-sock shakes hands before its handler runs, so admission is a hook of the request before that. The handler does not
converse: what a request keeps alive (Flask's contexts, gunicorn's parser, the stack under both) would be most of a
connection's memory, so the request ends here and the worker takes over what is left.
"""

import time
from functools import partial

from flask import Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import Server

from chat_core import admission, api
from chat_core.admission import Head
from chat_core.problems import Refused
from chat_core.sessions import Session
from sync_chat.connection import Connection
from sync_chat.outbox import Outbox
from sync_chat.runtime import Runtime
from sync_chat.worker import CONVERSATION
from sync_chat.ws_protocol import server_options


class HandedOver(Exception):
    """Leaves flask-sock without its closing the connection: the worker goes on with it."""


def mount(app: Flask, runtime: Runtime) -> None:
    """Put the socket of ``runtime`` at ``/ws`` of ``app``; a Refused is left to the application's handler."""

    def admit() -> None:
        if request.endpoint != serve.__name__:
            return
        try:
            g.session = _admit(runtime)
        except Refused as refused:
            runtime.metrics.handshakes.labels(refused.outcome).inc()
            raise
        g.seat = g.session.user.id
        g.outbox = Outbox(request.environ, runtime.settings.outbox_hard)

    def give_back(_: BaseException | None) -> None:
        """The handshake failed after the admission."""
        if seat := g.pop("seat", None):
            runtime.hub.leave_seat(seat)

    def serve(ws: Server) -> None:
        g.pop("seat")  # the connection's now
        runtime.metrics.handshakes.labels("accepted").inc()
        connection = Connection(g.session, g.outbox, runtime.bus, runtime.hub, runtime.settings, runtime.metrics)
        request.environ[CONVERSATION] = partial(connection.serve, ws)
        ws.environ = {}  # 4 KiB that nobody needs any more
        raise HandedOver

    app.register_error_handler(HandedOver, lambda _: Response(status=101))
    app.before_request(admit)
    app.teardown_request(give_back)
    app.config["SOCK_SERVER_OPTIONS"] = server_options(runtime.settings.max_frame)
    Sock(app).route(api.SOCKET_PATH)(serve)


def _admit(runtime: Runtime) -> Session:
    headers = request.headers
    head = Head(headers.get("Host"), headers.get("Origin"), headers.get("Cookie"), headers.get("Authorization"))
    hub = runtime.hub
    return admission.upgrade(head, runtime.settings, time.time(), draining=hub.draining, take_seat=hub.take_seat)
