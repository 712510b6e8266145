"""What the protocol wants done: values that a flow yields and a shell performs.

A flow is a generator of effects. The shell performs each and sends the result back, or throws the exception into the
flow. ``Unavailable`` is the one exception that a flow expects.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

from chat_core.disconnects import Disconnect
from chat_core.frames import Position, RefusalCode
from chat_core.log import Page, Write


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame to this connection; ``refused`` says that it is a refusal, and which. Result: None."""

    payload: bytes
    refused: RefusalCode | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Close this connection in order. Result: None."""

    disconnect: Disconnect


@dataclass(frozen=True, slots=True)
class Drained:
    """Wait until this connection has taken most of what it was sent. Result: None."""


@dataclass(frozen=True, slots=True)
class Enter:
    """Stand at the door of a room: from now on nothing passes it unseen. Result: None."""

    room: str


@dataclass(frozen=True, slots=True)
class Admit:
    """Become a member where ``page`` ends, with ``payload`` as the first thing sent. Result: bool, False if behind.

    Raises Unavailable where the room here does not come where the page ends.
    """

    room: str
    page: Page
    payload: bytes


@dataclass(frozen=True, slots=True)
class Depart:
    """Stop being a member, or about to be. Result: None."""

    room: str


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Read a page of the log. Result: Page, or None where there is no such room. Raises Unavailable."""

    room: str
    mode: Literal["join", "more"]
    since: Position | None


@dataclass(frozen=True, slots=True)
class Commit:
    """Write to the log. Result: Outcome. Raises Unavailable. The flow sends or closes after it, and does nothing else.

    So a shell may go on with the flow wherever it learns the outcome.
    """

    write: Write


@dataclass(frozen=True, slots=True)
class Mark:
    """Note how far this user has read. Result: "ok" or a refusal code. Raises Unavailable."""

    room: str
    position: Position


@dataclass(frozen=True, slots=True)
class PublishTyping:
    """Tell the room that this user is writing. Result: None. Raises Unavailable."""

    room: str
    payload: bytes


Effect = Send | Close | Drained | Enter | Admit | Depart | ReadPage | Commit | Mark | PublishTyping
Flow = Generator[Effect, Any, None]
