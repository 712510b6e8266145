"""What a connection has received: the queue of what its task has yet to take, and when a read needs no parser."""

import asyncio
from collections import deque
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.streams import StreamReader


class Inbox:
    """A queue for one reader. What that has taken still counts as being here until it comes for the next.

    So whoever finds it `empty` knows that nothing before theirs has yet to be begun. It takes no room while it is
    empty: an ``asyncio.Queue`` keeps three deques and an Event.
    """

    __slots__ = ("_events", "_reader", "_taken")

    def __init__(self) -> None:
        self._events: deque[ASGIReceiveEvent] | None = None
        self._reader: asyncio.Future[None] | None = None
        self._taken = False  # whether the first of the events is with the reader

    def empty(self) -> bool:
        """Whether nothing waits, and nothing is with the reader."""
        return self._events is None

    @property
    def waiting(self) -> bool:
        """Whether anything has not been taken yet."""
        return self._events is not None and len(self._events) > self._taken

    def put_nowait(self, event: ASGIReceiveEvent) -> None:
        """Add ``event`` behind all others."""
        if self._events is None:
            self._events = deque()
        self._events.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> ASGIReceiveEvent:
        """Take the next event; the one before it is done with."""
        if self._taken and self._events:
            self._taken = False
            self._events.popleft()
            self._events = self._events or None
        while self._events is None:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        self._taken = True
        return self._events[0]


def resting(parser: ServerProtocol) -> bool:
    """Return whether ``parser`` is between two messages and has nothing of the next.

    It does not say so itself: its generator has to be found waiting for the first byte of a frame.
    """
    waiting: Any = parser.parser
    while waiting.gi_yieldfrom is not None:
        waiting = waiting.gi_yieldfrom
    idle = waiting.gi_code is StreamReader.at_eof.__code__
    return idle and parser.state is State.OPEN and parser.current_size is None
