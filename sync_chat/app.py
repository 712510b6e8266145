"""The application: REST and pages by Flask, sockets by flask-sock."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flask import Request, Response, g, request, send_from_directory
from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_sock import Sock
from pydantic import ValidationError
from pydantic_core import to_json
from simple_websocket import Server
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing.exceptions import WebsocketMismatch
from werkzeug.utils import cached_property
from wsproto.utilities import RemoteProtocolError

from chat_core import admission, answers, api, headers, openapi, problems
from chat_core.admission import Budgets
from chat_core.log import Unavailable
from chat_core.problems import Answer, Refused
from chat_core.settings import read
from sync_chat import routes
from sync_chat.connection import Connection
from sync_chat.outbox import Outbox
from sync_chat.runtime import Runtime
from sync_chat.ws_protocol import server_options

WEB: Final = Path(__file__).parent.parent / "web" / "dist"
HANDSHAKE_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64: wsproto answers any key."""


class ChatRequest(Request):
    """A request whose body is read no further than the limit, and parsed by the core."""

    @cached_property
    def args(self) -> ImmutableMultiDict[str, str]:
        """The query; of a parameter that is given twice the last counts, as it does for FastAPI."""
        return ImmutableMultiDict(dict(super().args.items(multi=True)))

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the JSON object that the body is; raise Refused (413, 415, 400)."""
        body = self.get_data()
        if len(body) > routes.running().settings.max_frame:
            raise Refused("too_large")
        return answers.json_object(self.headers.get("Content-Type"), body)


class Application(OpenAPI):
    """Flask with OpenAPI, and what the server calls when it is to stop."""

    request_class = ChatRequest

    def drain(self, _: float) -> None:
        """Let nobody in, and send everybody away."""
        runtime: Runtime = self.extensions["runtime"]
        runtime.drain()
        runtime.stop()


def create() -> Application:
    """Return the application of this process, as the environment wants it, at work."""
    runtime = Runtime.assemble(read("sync", os.environ))
    runtime.start()
    return build(runtime)


def build(runtime: Runtime) -> Application:
    """Return an application; whoever calls this starts ``runtime``, as WSGI has no word for it."""
    info = Info(title=openapi.TITLE, version=api.VERSION, description=openapi.DESCRIPTION)
    app = Application(
        __name__,
        info=info,
        doc_ui=False,
        static_folder=None,
        validation_error_model=problems.Problem,
        validation_error_callback=on_invalid,
    )
    # One byte more than is taken: Werkzeug cuts a chunked body off at this length without saying so.
    app.config.update(PROVIDE_AUTOMATIC_OPTIONS=False, MAX_CONTENT_LENGTH=runtime.settings.max_frame + 1)
    app.url_map.merge_slashes = False
    app.extensions.update(runtime=runtime, budgets=Budgets(runtime.settings))
    app.before_request(admit)
    app.after_request(shape)
    add_operations(app)
    add_pages(app)
    add_socket(app, runtime)
    for error, handler in HANDLERS.items():
        app.register_error_handler(error, handler)
    return app


def admit() -> None:
    """Let a request in before flask-openapi3 looks at it, or flask-sock."""
    if request.endpoint == "socket":
        return admit_socket()
    operation = api.OPERATIONS.get(request.endpoint or "")
    if operation is None:
        return None
    settings, head = routes.running().settings, routes.head()
    if operation.write:
        admission.check_origin(head, settings)
    if operation.session:
        g.session = admission.identify(head, settings)
    if operation.body:
        request.get_json()
    return None


def shape(response: Response) -> Response:
    """Give every answer the common headers."""
    for name, value in headers.common(routes.running().settings, routes.head(), request.path, response.status_code):
        response.headers[name] = value
    return response


def add_operations(app: Application) -> None:
    """Register the handler of each documented operation, and the document of them."""
    for name, operation in api.OPERATIONS.items():
        register = getattr(app, operation.method.lower())(
            operation.path.replace("{", "<").replace("}", ">"),
            operation_id=name,
            tags=[Tag(name=operation.tag)],
            summary=operation.summary,
            description=operation.description,
            responses=dict(operation.answers),
        )
        register(getattr(routes, name))
    document = Answer(200, to_json(openapi.complete(app.api_doc)), answers.JSON)
    app.add_url_rule(api.OPENAPI_PATH, "openapi", lambda: routes.respond(document))


def add_pages(app: Application) -> None:
    """Register the built client: its pages by their addresses, everything else in it by path."""

    def page() -> Response:
        try:
            return send_from_directory(WEB, api.PAGES[request.path])
        except NotFound:
            return routes.respond(api.UNBUILT)

    def file(path: str) -> Response:
        return send_from_directory(WEB, path)

    def socket() -> Response:
        return routes.respond(problems.problem("upgrade_required"))

    for address in api.PAGES:
        app.add_url_rule(address, "page", page)
    app.add_url_rule(api.SOCKET_PATH, "not_a_socket", socket)
    app.add_url_rule("/<path:path>", "file", file)


# ---- sockets ----------------------------------------------------------------------------------


def add_socket(app: Application, runtime: Runtime) -> None:
    """Register the socket. flask-sock shakes hands before it calls anything of ours: see `admit_socket`."""
    app.config["SOCK_SERVER_OPTIONS"] = server_options(runtime.settings.max_frame)

    def converse(ws: Server) -> None:
        runtime.metrics.handshakes.labels("accepted").inc()
        Connection(g.session, g.outbox, runtime.bus, runtime.hub, runtime.settings, runtime.metrics).serve(ws)

    Sock(app).route(api.SOCKET_PATH, endpoint="socket")(converse)


def admit_socket() -> None:
    """Let a connection in, with an outbox in place of its socket, or refuse the handshake with an HTTP status."""
    runtime = routes.running()
    settings, hub = runtime.settings, runtime.hub
    try:
        if not HANDSHAKE_KEY.fullmatch(request.headers.get("Sec-WebSocket-Key", "")):
            raise Refused("bad_handshake")
        g.session = admission.upgrade(routes.head(), settings, draining=hub.draining, full=hub.full)
    except Refused as refused:
        runtime.metrics.handshakes.labels(refused.slug).inc()
        raise
    g.outbox = Outbox(request.environ, settings.outbox_hard)


# ---- answers ----------------------------------------------------------------------------------


def on_refused(error: Refused) -> Response:
    """What a handler or the admission refused."""
    return routes.respond(error.answer)


def on_unavailable(_: Unavailable) -> Response:
    """Redis did not answer."""
    return routes.respond(problems.problem("unavailable"))


def on_invalid(error: ValidationError) -> Response:
    """What flask-openapi3 found wrong: it ends at the first part of the request that has errors."""
    return routes.respond(problems.invalid(error.errors()))


def on_http_error(error: HTTPException) -> Response:
    """What the framework refused, or failed to do: that it has logged by now."""
    return routes.respond(api.unrouted(error.code or 500, request.path))


def on_no_socket(_: WebsocketMismatch) -> Response:
    """A WebSocket was asked for where there is none."""
    routes.running().metrics.handshakes.labels("not_found").inc()
    return routes.respond(problems.problem("not_found"))


def on_bad_handshake(_: RemoteProtocolError) -> Response:
    """What asked for a WebSocket was no handshake: wsproto says so when flask-sock tries."""
    routes.running().metrics.handshakes.labels("bad_handshake").inc()
    return routes.respond(problems.problem("bad_handshake"))


HANDLERS: Final[dict[type[Exception], Callable[[Any], Response]]] = {
    Refused: on_refused,
    Unavailable: on_unavailable,
    HTTPException: on_http_error,
    WebsocketMismatch: on_no_socket,
    RemoteProtocolError: on_bad_handshake,
}
