"""``GET /ws``: who may not come in gets an HTTP status before the upgrade, who may gets a connection.

A bare ASGI callable beside the framework: what middleware keeps alive per connection would be most of its memory.
"""

from collections.abc import Awaitable, Callable

from async_chat.connection import Connection
from async_chat.outbox import Message, Receive, Send, open_outbox
from async_chat.runtime import Runtime
from chat_core import admission
from chat_core.admission import Head
from chat_core.problems import Answer, Refused
from chat_core.sessions import Session

Endpoint = Callable[[Message, Receive, Send], Awaitable[None]]


def endpoint(runtime: Runtime) -> Endpoint:
    """Return the ASGI callable for scopes of type ``websocket``."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        try:
            session = _admit(scope, runtime)
        except Refused as refused:
            runtime.metrics.handshakes.labels(refused.slug).inc()
            await _deny(refused.answer, send)
            return
        await send({"type": "websocket.accept"})
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


async def _deny(answer: Answer, send: Send) -> None:
    """Answer with a real HTTP status, by the ASGI extension for that."""
    headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), *answer.headers]
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": answer.body})
