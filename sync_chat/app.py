"""The application: REST and pages by Flask, sockets by flask-sock."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flask import Request, Response, g, request, send_from_directory
from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from gunicorn.http.errors import ParseException
from pydantic import ValidationError
from pydantic_core import to_json
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import ClientDisconnected, HTTPException, NotFound
from werkzeug.routing.exceptions import WebsocketMismatch
from werkzeug.utils import cached_property
from wsproto.utilities import RemoteProtocolError

from chat_core import admission, answers, api, asyncapi, headers, openapi, problems
from chat_core.admission import Budgets
from chat_core.log import Unavailable
from chat_core.problems import Answer, Refused
from chat_core.settings import Settings, read
from launch import memory
from sync_chat import routes
from sync_chat.runtime import Runtime
from sync_chat.upgrade import mount
from sync_chat.worker import TOO_SLOW

WEB: Final = Path(__file__).parent.parent / "web" / "dist"


class ChatRequest(Request):
    """A request whose body is read no further than the limit, and parsed by the core."""

    @cached_property
    def args(self) -> ImmutableMultiDict[str, str]:
        """The query; of a parameter that is given twice the last counts, as it does for FastAPI."""
        return ImmutableMultiDict(dict(super().args.items(multi=True)))

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the JSON object that the body is; raise Refused (413, 415, 400)."""
        try:
            body = self.get_data()
        except (OSError, ParseException, ClientDisconnected):  # it ends early, or its chunks are none
            body = None
        if TOO_SLOW in self.environ:
            raise Refused("too_slow")
        if body is None:
            raise Refused("malformed", "the body cannot be read to its end")
        if len(body) > routes.running().settings.max_frame:
            raise Refused("too_large")
        return answers.json_object(self.headers.get("Content-Type"), body)


class Application(OpenAPI):
    """REST, pages and the socket of one process, all through Flask."""

    request_class = ChatRequest

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(
            __name__,
            info=Info(title=openapi.TITLE, version=api.VERSION, description=openapi.DESCRIPTION),
            doc_ui=False,
            static_folder=None,
            validation_error_model=problems.Problem,
            validation_error_callback=_on_invalid,
        )
        # One byte more than is taken: Werkzeug cuts a chunked body off at this length without saying so.
        self.config.update(PROVIDE_AUTOMATIC_OPTIONS=False, MAX_CONTENT_LENGTH=runtime.settings.max_frame + 1)
        self.url_map.merge_slashes = False
        self.handshake_timeout = runtime.settings.handshake_timeout
        self.extensions.update(runtime=runtime, budgets=Budgets(runtime.settings))
        self.before_request(_admit)
        self.after_request(_shape)
        _add_operations(self, runtime.settings)
        _add_pages(self)
        mount(self, runtime)
        for error, handler in _HANDLERS.items():
            self.register_error_handler(error, handler)

    def gave_up(self) -> None:
        """A request did not arrive whole in time."""
        runtime: Runtime = self.extensions["runtime"]
        runtime.metrics.slow_requests.inc()

    def drain(self, _: float) -> None:
        """Let nobody in, send everybody away, and end what `create` started; the worker calls this when it stops."""
        runtime: Runtime = self.extensions["runtime"]
        runtime.drain()
        runtime.stop()


def create() -> Application:
    """Return the application of this process, as the environment wants it, at work: WSGI has no lifespan."""
    runtime = Runtime.assemble(read("sync", os.environ))
    runtime.start()
    application = build(runtime)
    memory.settle()
    return application


def build(runtime: Runtime) -> Application:
    """Return an application; whoever calls this starts and stops ``runtime``."""
    return Application(runtime)


def _admit() -> None:
    """Let a request in before flask-openapi3 looks at it."""
    if request.url_rule is not None and request.url_rule.websocket:
        _check_handshake()
    operation = (api.OPERATIONS | api.DIAGNOSTICS).get(request.endpoint or "")
    if operation is None:
        return
    settings, head = routes.running().settings, routes.head()
    if operation.write:
        admission.check_origin(head, settings)
    if operation.session:
        g.session = admission.identify(head, settings, time.time())
    if operation.body:
        request.get_json()


def _check_handshake() -> None:
    """Refuse a key that is none, and HTTP/1.0: wsproto takes any."""
    is_key = admission.is_handshake_key(request.headers.get("Sec-WebSocket-Key", ""))
    if not is_key or request.environ["SERVER_PROTOCOL"] == "HTTP/1.0":
        routes.running().metrics.handshakes.labels("bad_handshake").inc()
        raise Refused("bad_handshake")


def _shape(response: Response) -> Response:
    """Give every answer the common headers."""
    for name, value in headers.common(routes.running().settings, routes.head(), request.path, response.status_code):
        response.headers[name] = value
    return response


def _add_operations(app: Application, settings: Settings) -> None:
    """Register the handler of each documented operation, and the document of them."""
    for name, operation in api.operations(settings).items():
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
    app.add_url_rule(api.ASYNCAPI_PATH, "asyncapi", lambda: routes.respond(asyncapi.answer()))


def _add_pages(app: Application) -> None:
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


# ---- answers ----------------------------------------------------------------------------------


def _on_refused(error: Refused) -> Response:
    """What a handler or the admission refused."""
    return routes.respond(error.answer)


def _on_unavailable(_: Unavailable) -> Response:
    """Redis did not answer."""
    return routes.respond(problems.problem("unavailable"))


def _on_invalid(error: ValidationError) -> Response:
    """What flask-openapi3 found wrong: it ends at the first part of the request that has errors."""
    return routes.respond(problems.invalid(error.errors()))


def _on_http_error(error: HTTPException) -> Response:
    """What the framework refused, or failed to do: that it has logged by now."""
    return routes.respond(api.unrouted(error.code or 500, request.path))


def _on_no_socket(_: WebsocketMismatch) -> Response:
    """A WebSocket was asked for where there is none."""
    routes.running().metrics.handshakes.labels("not_found").inc()
    return routes.respond(problems.problem("not_found"))


def _on_bad_handshake(_: RemoteProtocolError) -> Response:
    """What asked for a WebSocket was no handshake: wsproto says so when flask-sock tries."""
    routes.running().metrics.handshakes.labels("bad_handshake").inc()
    return routes.respond(problems.problem("bad_handshake"))


_HANDLERS: Final[dict[type[Exception], Callable[[Any], Response]]] = {
    Refused: _on_refused,
    Unavailable: _on_unavailable,
    HTTPException: _on_http_error,
    WebsocketMismatch: _on_no_socket,
    RemoteProtocolError: _on_bad_handshake,
}
