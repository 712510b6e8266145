"""``GET /ws``: who may not come in gets an HTTP status before the upgrade, who may gets a connection.

A bare ASGI callable beside the framework: what middleware keeps alive per connection would be most of its memory.
"""

import logging
from collections.abc import Awaitable, Callable

from async_chat.connection import Connection
from async_chat.outbox import Message, Receive, Send, open_outbox
from async_chat.runtime import Runtime
from chat_core import admission, headers
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
            runtime.metrics.handshakes.labels(refused.slug).inc()
            await _deny(
                refused.answer, headers.common(runtime.settings, head, scope["path"], refused.answer.status), send
            )
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


def _admit(scope: Message, runtime: Runtime) -> Session:
    if scope["path"] != "/ws":
        raise Refused("not_found")
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    head = Head(headers.get(b"host"), headers.get(b"origin"), headers.get(b"cookie"), headers.get(b"authorization"))
    return admission.upgrade(head, runtime.settings, draining=runtime.hub.draining, full=runtime.hub.full)


def _worth_logging(record: logging.LogRecord) -> bool:
    """uvicorn takes a handshake that was answered with a status for one that was not, and logs an error for each."""
    return record.msg != "ASGI callable returned without completing handshake."


async def _deny(answer: Answer, send: Send) -> None:
    """Answer with a real HTTP status, by the ASGI extension for that."""
    headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), *answer.headers]
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": answer.body})
