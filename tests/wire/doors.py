"""Opens connections to backends, and sees to it that all are closed."""

from contextlib import AsyncExitStack
from typing import Any

from stack.backends import Backend
from tests.wire.client import Chat
from tests.wire.people import Person, sign_in
from tests.wire.raw import RawPeer
from tests.wire.rest import Rest


class Doors:
    """A context manager. At its end every frame that any of the clients received must have been as described."""

    def __init__(self, http: Rest) -> None:
        self._http = http
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> "Doors":
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._opened.__aexit__(*raised)

    async def enter(
        self,
        backend: Backend,
        room: str | None = None,
        *,
        person: Person | None = None,
        name: str = "Ada",
        **options: Any,
    ) -> Chat:
        """Open a connection, as a new user or as ``person``, and join a room if one is named."""
        person = person or sign_in(self._http, backend.url, name)
        chat = await Chat.connect(backend.ws_url, person.token, **options)
        self._opened.push_async_callback(chat.close)
        if room:
            await chat.join(room)
        return chat

    async def dial(self, backend: Backend, *, person: Person | None = None, receive_buffer: int = 0) -> RawPeer:
        """Open a WebSocket that follows no rules, as a new user or as ``person``."""
        person = person or sign_in(self._http, backend.url, "Mallory")
        peer = await RawPeer.open(backend.ws_url, person.token, receive_buffer)
        self._opened.push_async_callback(peer.close)
        return peer
