"""The wire, described once: every frame that a client sends or receives on ``GET /ws``.

``web/src/protocol.ts`` is generated from these models. Log entries and pages are *built* by the Lua scripts as JSON
text and passed on unparsed; the conformance suite holds all that arrives to these models.
"""

import re
import unicodedata
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that a JavaScript client reads without loss."""

ROOM_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Unicode's category Cc without newline and tab."""


def clean_text(text: str) -> str:
    """Return ``text`` in NFC; raise ValueError for control characters (but newline and tab) or nothing visible."""
    text = unicodedata.normalize("NFC", text)
    if _CONTROL.search(text):
        raise ValueError("control characters other than newline and tab are not accepted")
    if not text.strip():
        raise ValueError("there is nothing visible in it")
    return text


def clean_name(name: str) -> str:
    """Return a display name in NFC without white space around it; raise ValueError unless it has 1 to 32 characters."""
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= 32:
        raise ValueError("a display name has 1 to 32 characters")
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in name):
        raise ValueError("a display name is one line without control characters")
    return name


def clean_emoji(emoji: str) -> str:
    """Return ``emoji`` in NFC; raise ValueError where it holds anything that is text, white space or control."""
    emoji = unicodedata.normalize("NFC", emoji)
    if any(c.isspace() or c in '"\\' or unicodedata.category(c) in ("Cc", "Zs", "Lu", "Ll") for c in emoji):
        raise ValueError("a reaction is an emoji, not text")
    return emoji


RoomName = Annotated[
    str, Field(pattern=ROOM_PATTERN, description="1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit")
]
Epoch = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="names one unbroken life of a room's log")]
Offset = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER, strict=True, description="place in the room's log, from 1")]
Ref = Annotated[
    int, Field(ge=0, le=MAX_SAFE_INTEGER, strict=True, description="chosen by the client, returned in the one reply")
]
ClientId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="made by the client; the same id is the same act")
]
Text = Annotated[str, AfterValidator(clean_text), Field(min_length=1)]
DisplayName = Annotated[str, AfterValidator(clean_name), Field(min_length=1, max_length=256)]
Emoji = Annotated[str, Field(min_length=1, max_length=16), AfterValidator(clean_emoji)]
Timestamp = Annotated[float, Field(description="seconds since 1970, by the clock of Redis")]


class Frame(BaseModel):
    """Base of all frames and of their parts. Unknown fields are ignored: clients and servers may differ in age."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Position(Frame):
    """A place in a room's log. An offset means nothing without its epoch."""

    epoch: Epoch
    offset: Offset


class User(Frame):
    """Who did it. Names are not unique; the id tells people apart."""

    id: str
    name: str


# ---- commands: each carries a ref and gets exactly one reply with it ---------------------------


class Command(Frame):
    """What a client asks."""

    type: str
    ref: Ref
    room: RoomName


class Join(Command):
    """Become a member; with ``since``, resume from there. Joining again starts over."""

    type: Literal["join"]
    since: Position | None = None


class Leave(Command):
    """Stop being a member, at once."""

    type: Literal["leave"]


class Post(Command):
    """Write a message."""

    type: Literal["post"]
    id: ClientId
    text: Text
    reply_to: Position | None = None


class Edit(Command):
    """Replace the text of one's own message."""

    type: Literal["edit"]
    id: ClientId
    target: Position
    text: Text


class Delete(Command):
    """Take back one's own message; its text never leaves the server again."""

    type: Literal["delete"]
    id: ClientId
    target: Position


class React(Command):
    """Put an emoji on a message, or take it off."""

    type: Literal["react"]
    id: ClientId
    target: Position
    emoji: Emoji
    on: Annotated[bool, Field(strict=True)] = True


class Typing(Command):
    """Say that one is writing; good for about five seconds."""

    type: Literal["typing"]


class Read(Command):
    """Say how far one has read; never goes back."""

    type: Literal["read"]
    epoch: Epoch
    offset: Offset


AnyCommand = Annotated[Join | Leave | Post | Edit | Delete | React | Typing | Read, Field(discriminator="type")]


# ---- log entries: pushed live as they are, and found again in replays and history --------------


class Entry(Frame):
    """One entry of a room's log."""

    room: RoomName
    epoch: Epoch
    offset: Offset
    at: Timestamp
    id: ClientId
    user: User


class Message(Entry):
    """A message. In history: its last text, or null once deleted."""

    type: Literal["message"]
    text: str | None
    reply_to: Position | None = None
    edited_at: Timestamp | None = None
    reactions: dict[str, list[str]] | None = Field(None, description="emoji to the ids of the users who put it")


class Edited(Entry):
    """A message's text was replaced. In a replay: the last text, or null where the message was deleted since."""

    type: Literal["edited"]
    target: Position
    text: str | None


class Deleted(Entry):
    """A message was taken back."""

    type: Literal["deleted"]
    target: Position


class Reacted(Entry):
    """A reaction was put on a message or taken off."""

    type: Literal["reacted"]
    target: Position
    emoji: str
    on: bool


AnyEntry = Annotated[Message | Edited | Deleted | Reacted, Field(discriminator="type")]


# ---- replies -----------------------------------------------------------------------------------


class Members(Frame):
    """Who is here: all of them, or above 200 a count and a sample."""

    count: int
    users: list[User]
    sampled: bool


class JoinResult(Frame):
    """The room as of ``offset``. With ``more``, ``replay`` pushes follow until one says ``more: false``."""

    epoch: Epoch
    offset: Offset
    recovered: bool = Field(
        description="true: `messages` continue from `since` without a gap; false: they are the newest"
    )
    messages: list[AnyEntry]
    more: bool
    members: Members
    read: Position | None


class CommitResult(Frame):
    """Where the entry is in the log. ``duplicate``: it was there already, under the same id."""

    epoch: Epoch
    offset: Offset
    duplicate: bool


class Empty(Frame):
    """Done, and nothing to say."""


RefusalCode = Literal[
    "malformed",
    "too_long",
    "not_joined",
    "forbidden",
    "gone",
    "stale_epoch",
    "id_conflict",
    "rate_limited",
    "unavailable",
]


class Refusal(Frame):
    """Why a command was not carried out. ``unavailable`` alone leaves the outcome unknown."""

    code: RefusalCode
    message: str
    retry_after: float | None = Field(None, description="seconds; with rate_limited")


class Reply(Frame):
    """The one answer to a command: ``result`` or ``error``. ``ref`` is null where none could be read."""

    type: Literal["reply"]
    ref: Ref | None
    result: JoinResult | CommitResult | Empty | None = None
    error: Refusal | None = None


# ---- pushes ------------------------------------------------------------------------------------


class Replay(Frame):
    """The next page of what was missed."""

    type: Literal["replay"]
    room: RoomName
    messages: list[AnyEntry]
    more: bool


class Reset(Frame):
    """What was missed cannot be had, and membership has ended: join again without ``since``."""

    type: Literal["reset"]
    room: RoomName
    epoch: Epoch
    offset: Offset


class PresencePush(Frame):
    """Who is here now: ``members`` replaces all that was known; ``joins`` and ``leaves`` change it."""

    type: Literal["presence"]
    room: RoomName
    members: Members | None = None
    count: int
    joins: list[User] = []
    leaves: list[str] = Field([], description="ids of users")


class TypingPush(Frame):
    """Somebody is writing."""

    type: Literal["typing"]
    room: RoomName
    user: User


class ReadPush(Frame):
    """This user has read up to here, on another of their connections."""

    type: Literal["read"]
    room: RoomName
    epoch: Epoch
    offset: Offset


class Notice(Frame):
    """The state of the service: delivery ``degraded`` or ``restored``; ``draining``: reconnect in that many seconds."""

    type: Literal["notice"]
    notice: Literal["degraded", "restored", "draining"]
    reconnect_in: float | None = None


AnyPush = Annotated[
    Message | Edited | Deleted | Reacted | Replay | Reset | PresencePush | TypingPush | ReadPush | Notice | Reply,
    Field(discriminator="type"),
]
"""Everything that a server sends."""

Json = dict[str, Any]
