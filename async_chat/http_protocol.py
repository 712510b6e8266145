"""uvicorn's HTTP protocol with bounds on a request: how long it may take to arrive, and how large its head may be.

uvicorn waits without limit for the rest of a request, and keeps all headers that come. Here a head is to be whole
within ``CHAT_HANDSHAKE_TIMEOUT`` seconds, and its body within as many after that; who is slower is answered 408. A head
larger than gunicorn takes is answered 414 or 431.
"""

import asyncio
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from chat_core import problems
from chat_core.problems import Answer

LONGEST_TARGET: Final = 4094
LONGEST_FIELD: Final = 8190
MOST_FIELDS: Final = 100
LARGEST_HEAD: Final = 128 * 1024
"""Bytes of a head that is not whole yet: the parser shows a field only once it has all of it."""
CLOSE_TIMEOUT: Final = 2.0
"""Seconds in which a peer takes the refusal of its request."""


class Config(uvicorn.Config):
    """uvicorn's, with the setting that it lacks."""

    handshake_timeout: float = 10.0


class ChatHttpProtocol(HttpToolsProtocol):
    """One HTTP connection, until it is upgraded."""

    config: Config

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.deadline: asyncio.TimerHandle | None = None
        self.head_size = 0  # bytes of a head under way, 0 between heads
        self.refusal = problems.problem("malformed", "this is no HTTP request")
        self.refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.expect_within()

    def connection_lost(self, exc: Exception | None) -> None:
        self.expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.refused:  # read and dropped: a reset would overtake the refusal
            return
        if self.deadline is None:
            self.expect_within()
        self.head_size += len(data)
        super().data_received(data)
        if self.head_size > LARGEST_HEAD:
            self.refuse(problems.status(431))

    # The request, as the parser finds it.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.deadline is None:  # there was another request in the same bytes
            self.expect_within()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self.require(len(self.url) <= LONGEST_TARGET, 414)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self.require(len(self.headers) <= MOST_FIELDS and len(name) + len(value) <= LONGEST_FIELD, 431)

    def on_headers_complete(self) -> None:
        self.expect_within()
        if self.parser.should_upgrade():
            self.require(self.parser.get_http_version() == "1.1", 400)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.head_size = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.head_size = 0
        self.expect_nothing()
        super().on_message_complete()

    # What becomes of it.

    def require(self, condition: bool, status: int) -> None:
        """End the parsing, with that status, unless the condition holds."""
        if not condition:
            self.refusal = problems.problem("bad_handshake") if status == 400 else problems.status(status)
            raise ValueError

    def expect_within(self) -> None:
        """Begin to wait for the rest of the head, or of the body."""
        self.expect_nothing()
        self.deadline = self.loop.call_later(self.config.handshake_timeout, self.give_up)

    def expect_nothing(self) -> None:
        """Cease to wait."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def give_up(self) -> None:
        """The time is over. Nothing is said where nothing came, or where the answer is under way already."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            self.expect_within()  # an earlier request is still being answered
            return
        self.app.gave_up()
        if self.head_size or (cycle is not None and cycle.more_body and not cycle.response_started):
            self.refuse(problems.problem("too_slow"))
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self.refuse(self.refusal)

    def refuse(self, answer: Answer) -> None:
        """Answer and close, and let whoever waits for the body know."""
        self.refused = True
        self.expect_nothing()
        cycle = self.cycle
        if self.transport.is_closing() or (
            cycle is not None and cycle.response_started and not cycle.response_complete
        ):
            self.transport.close()  # in the middle of another answer there is no place for this one
            return
        self.transport.write(problems.last_message(answer))
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.deadline = self.loop.call_later(CLOSE_TIMEOUT, self.transport.abort)
