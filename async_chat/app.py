"""The application: REST and pages by FastAPI, sockets beside it."""

import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from async_chat import routes
from async_chat.runtime import Runtime
from async_chat.upgrade import endpoint
from chat_core import admission, answers, api, asyncapi, headers, openapi, problems
from chat_core.admission import Budgets
from chat_core.log import Unavailable
from chat_core.problems import Answer, Refused
from chat_core.settings import Settings, read
from launch import logs, memory

WEB: Final = Path(__file__).parent.parent / "web" / "dist"


class ChatRequest(Request):
    """A request whose body is read no further than the limit, and parsed by the core."""

    async def body(self) -> bytes:
        """Return the body; raise Refused (413)."""
        if not hasattr(self, "_body"):
            limit = routes.running(self).settings.max_frame
            body = bytearray()
            async for chunk in self.stream():
                body += chunk
                if len(body) > limit:
                    raise Refused("too_large")
            self._body = bytes(body)
        return self._body

    async def json(self) -> Any:
        """Return the JSON object that the body is; raise Refused (413, 415, 400)."""
        if not hasattr(self, "_json"):
            body = await self.body()
            self._json = answers.json_object(self.headers.get("Content-Type"), body)
        return self._json


class ChatRoute(APIRoute):
    """Lets a request in before FastAPI looks at it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        operation = (api.OPERATIONS | api.DIAGNOSTICS)[self.name]

        async def admit(request: Request) -> Response:
            request = ChatRequest(request.scope, request.receive)
            settings, head = routes.running(request).settings, routes.head(request)
            if operation.write:
                admission.check_origin(head, settings)
            if operation.session:
                request.state.session = admission.identify(head, settings, time.time())
            if operation.body:
                await request.json()
            return await handle(request)

        return admit


class Application:
    """REST and pages of one process through FastAPI; the socket passes it by.

    FastAPI's middleware would stay in memory with each connection.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.rest = _build_rest(runtime)
        self._runtime = runtime
        # As gunicorn does by itself: the same variable, the same default. Sockets have no use for it.
        proxies = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
        self._proxied: Any = ProxyHeadersMiddleware(cast(Any, self.rest), proxies)
        self._socket = endpoint(runtime)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._proxied(*_shape(self._runtime.settings, scope, receive, send))
        else:
            await self.rest(scope, receive, send)

    def gave_up(self) -> None:
        """A request did not arrive whole in time."""
        self._runtime.metrics.slow_requests.inc()

    async def drain(self) -> None:
        """Let nobody in, and send everybody away; the server calls this before its own shutdown."""
        await self._runtime.drain()


def create() -> Application:
    """Return the application of this process, as the environment wants it."""
    logs.configure()
    application = build(Runtime.assemble(read("async", os.environ)))
    memory.settle()
    return application


def build(runtime: Runtime) -> Application:
    """Return an application, whose lifespan starts and stops ``runtime``."""
    return Application(runtime)


def _build_rest(runtime: Runtime) -> FastAPI:
    """Return the REST side with its pages."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        runtime.start()
        yield
        await runtime.stop()

    rest = FastAPI(
        title=openapi.TITLE,
        version=api.VERSION,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    rest.state.runtime = runtime
    rest.state.budgets = Budgets(runtime.settings)
    _add_operations(rest, runtime.settings)
    _add_pages(rest)
    for error, handler in _HANDLERS.items():
        rest.add_exception_handler(error, handler)
    return rest


def _add_operations(rest: FastAPI, settings: Settings) -> None:
    """Register the handler of each documented operation, and the document of them."""
    router = APIRouter(route_class=ChatRoute)
    for name, operation in api.operations(settings).items():
        (status, model), *others = operation.answers.items()
        router.add_api_route(
            operation.path,
            getattr(routes, name),
            methods=[operation.method],
            operation_id=name,
            tags=[operation.tag],
            summary=operation.summary,
            description=operation.description,
            status_code=status,
            response_model=model,
            responses={422: {}, **{code: {"model": other} for code, other in others}},
        )
    rest.include_router(router)
    document = Answer(200, to_json(openapi.complete(rest.openapi())), answers.JSON)
    rest.add_route(api.OPENAPI_PATH, lambda _: routes.respond(document))
    rest.add_route(api.ASYNCAPI_PATH, lambda _: routes.respond(asyncapi.answer()))


def _add_pages(rest: FastAPI) -> None:
    """Register the built client: its pages by their addresses, everything else in it by path."""
    files = StaticFiles(directory=WEB, check_dir=False)

    async def page(request: Request) -> Response:
        try:
            return await files.get_response(api.PAGES[request.url.path], request.scope)
        except HTTPException:
            return routes.respond(api.UNBUILT)

    async def file(request: Request) -> Response:
        return await files.get_response(files.get_path(request.scope), request.scope)

    async def socket(_: Request) -> Response:
        return routes.respond(problems.problem("upgrade_required"))

    for address in api.PAGES:
        rest.add_route(address, page)
    rest.add_route(api.SOCKET_PATH, socket)
    rest.add_route("/{path:path}", file)


# ---- answers ----------------------------------------------------------------------------------


def _shape(settings: Settings, scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    """Give every answer the common headers, and answer HEAD as GET: the server drops the body."""
    head, path = routes.head(Request(scope)), scope["path"]

    async def send_shaped(message: Message) -> None:
        if message["type"] == "http.response.start":
            common = headers.common(settings, head, path, message["status"])
            names = {name.lower().encode() for name, _ in common}
            kept = [item for item in message["headers"] if item[0].lower() not in names]
            fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in common]
            message = {**message, "headers": [*kept, *fields]}
        await send(message)

    if scope["method"] == "HEAD":
        scope = {**scope, "method": "GET"}
    return scope, receive, send_shaped


async def _on_refused(_: Request, error: Exception) -> Response:
    """What a handler or the admission refused."""
    assert isinstance(error, Refused)  # noqa: S101 - Starlette promises no more than Exception
    return routes.respond(error.answer)


async def _on_unavailable(_: Request, error: Exception) -> Response:
    """Redis did not answer."""
    return routes.respond(problems.problem("unavailable"))


async def _on_invalid(_: Request, error: Exception) -> Response:
    """What FastAPI found wrong: the errors of the first part of the request that has any."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    found = error.errors()
    part = found[0]["loc"][0]
    return routes.respond(problems.invalid([{**e, "loc": e["loc"][1:]} for e in found if e["loc"][0] == part]))


async def _on_http_error(request: Request, error: Exception) -> Response:
    """What the framework refused."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    return routes.respond(api.unrouted(error.status_code, request.url.path))


async def _on_departure(_: Request, error: Exception) -> Response:
    """The client went away while it sent its body: nobody reads this."""
    return routes.respond(problems.problem("malformed"))


async def _on_failure(_: Request, error: Exception) -> Response:
    """Ours is the fault. The server logs it."""
    return routes.respond(problems.problem("internal"))


_HANDLERS: Final[dict[type[Exception], Callable[[Request, Exception], Coroutine[Any, Any, Response]]]] = {
    Refused: _on_refused,
    Unavailable: _on_unavailable,
    RequestValidationError: _on_invalid,
    HTTPException: _on_http_error,
    ClientDisconnect: _on_departure,
    Exception: _on_failure,
}
