"""``GET /ws``: who may not come in gets an HTTP status before the upgrade, who may gets a connection.

A bare ASGI callable beside the framework: what middleware keeps alive per connection would be most of its memory.
"""

import logging
import time
from collections.abc import Awaitable, Callable

from async_chat.connection import Connection
from async_chat.outbox import Message, Receive, Send, open_outbox
from async_chat.runtime import Runtime
from chat_core import admission, api, headers
from chat_core.admission import Head
from chat_core.problems import Answer, Refused
from chat_core.sessions import Session

Endpoint = Callable[[Message, Receive, Send], Awaitable[None]]


def endpoint(runtime: Runtime) -> Endpoint:
    """Return the ASGI callable for scopes of type ``websocket``."""

    logging.getLogger("uvicorn.error").addFilter(_worth_logging)

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        head = _head(scope)
        try:
            session = _admit(scope["path"], head, runtime)
        except Refused as refused:
            runtime.metrics.handshakes.labels(refused.outcome).inc()
            common = headers.common(runtime.settings, head, scope["path"], refused.answer.status)
            await _deny(refused.answer, common, send)
            return
        try:
            await send({"type": "websocket.accept"})
        except BaseException:
            runtime.hub.leave_seat(session.user.id)
            raise
        runtime.metrics.handshakes.labels("accepted").inc()
        outbox = open_outbox(scope, receive, send, runtime.settings.outbox_hard)
        await Connection(session, outbox, runtime.bus, runtime.hub, runtime.settings, runtime.metrics).serve()

    return serve


def _head(scope: Message) -> Head:
    values = {name: value.decode("latin-1") for name, value in scope["headers"]}
    return Head(values.get(b"host"), values.get(b"origin"), values.get(b"cookie"), values.get(b"authorization"))


def _admit(path: str, head: Head, runtime: Runtime) -> Session:
    if path != api.SOCKET_PATH:
        raise Refused("not_found")
    hub = runtime.hub
    return admission.upgrade(head, runtime.settings, time.time(), draining=hub.draining, take_seat=hub.take_seat)


def _worth_logging(record: logging.LogRecord) -> bool:
    """uvicorn logs as errors a handshake that was answered with a status, and, with a traceback, what is not UTF-8."""
    return record.msg not in (
        "ASGI callable returned without completing handshake.",
        "Invalid UTF-8 sequence received from client.",
    )


async def _deny(answer: Answer, common: list[tuple[str, str]], send: Send) -> None:
    """Answer with a real HTTP status, by the ASGI extension for that."""
    size = str(len(answer.body))
    fields = [("Content-Type", answer.content_type), ("Content-Length", size), *answer.headers, *common]
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": answer.body})
