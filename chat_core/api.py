"""The REST interface, described once: its operations, what they take and give, and how their answers are made.

Both backends register a handler for each of ``OPERATIONS``, under its name. A handler asks the bus and returns what
``answers`` makes of it, so the two cannot answer differently.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chat_core.frames import (
    MAX_SAFE_INTEGER,
    ClientId,
    CommitResult,
    DisplayName,
    Epoch,
    Members,
    Message,
    Position,
    RoomName,
    Text,
    Timestamp,
    User,
)
from chat_core.problems import Answer, problem, status
from chat_core.settings import BackendName, Settings

VERSION: Final = "0.1.0"
MAX_DIAGNOSIS: Final = 10
"""Seconds that one diagnosis may take."""

# ---- what is taken and given ----------------------------------------------------------------------------------------


class Document(BaseModel):
    """Base of what travels over REST: unknown fields are ignored, so that clients and servers can differ in age."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class NewSession(Document):
    """Who wants to chat."""

    name: DisplayName


class CurrentSession(Document):
    """Who the request is from."""

    user: User
    moderator: bool
    expires_at: int = Field(description="seconds since 1970")


class IssuedSession(CurrentSession):
    """A new session. The token is also in the cookie; it goes into `Authorization: Bearer`, never into an address."""

    token: str


class Room(Document):
    """A room, and when something last happened in it."""

    name: RoomName
    active_at: Timestamp


class Rooms(Document):
    """The rooms, newest activity first."""

    rooms: list[Room]


class RoomPath(Document):
    """Which room."""

    room: RoomName


Bound = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]


class HistoryQuery(Document):
    """Which messages: the newest, or those next to an offset."""

    before: Bound | None = Field(None, description="the newest messages below this offset")
    after: Bound | None = Field(None, description="the oldest messages above this offset")
    limit: int = Field(50, ge=1, le=200, description="most messages")

    @model_validator(mode="after")
    def _one_bound(self) -> "HistoryQuery":
        if self.before is not None and self.after is not None:
            raise ValueError("before and after cannot be given together")
        return self


class MessagePage(Document):
    """Messages in the room's order. `more`: there are further ones in the direction that was asked for."""

    room: RoomName
    epoch: Epoch
    messages: list[Message]
    more: bool


class NewMessage(Document):
    """What is to be said."""

    id: ClientId
    text: Text
    reply_to: Position | None = None


class Twin(Document):
    """The same chat on the other backend."""

    label: str
    address: str = Field(description="`:port` on the host of the page, `/path` of its origin, or an absolute address")


class About(Document):
    """What answers here."""

    backend: BackendName
    label: str
    twin: Twin | None
    version: str


class Duration(Document):
    """How long something is to take."""

    seconds: float = Field(ge=0, le=MAX_DIAGNOSIS)


class Lasted(Document):
    """How long it took."""

    seconds: float


class Health(Document):
    """The process is alive, or the backend ready."""

    status: str


# ---- operations -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``answers`` maps each good status to what it carries: None is plain text, or nothing with 204."""

    method: str
    path: str
    tag: str
    summary: str
    answers: Mapping[int, type[BaseModel] | None]
    problems: tuple[str, ...] = ()
    session: bool = False
    """Whether it is for those who have a session."""
    write: bool = False
    """Whether it changes something, so that the page it comes from must be one of ours."""
    body: bool = False
    """Whether it takes a JSON object."""
    description: str = ""

    @property
    def slugs(self) -> tuple[str, ...]:
        """The problems that it can end with."""
        who = (*(["origin_refused"] if self.write else []), *(["unauthorized"] if self.session else []))
        what = ("malformed", "too_large", "unsupported_type") if self.body else ()
        return (*who, *what, *self.problems)


_ROOM: Final = "/api/rooms/{room}"

OPERATIONS: Final[dict[str, Operation]] = {
    "create_session": Operation(
        "POST", "/api/session", "session", "Begin a session", {201: IssuedSession}, ("invalid",), write=True, body=True
    ),
    "read_session": Operation(
        "GET",
        "/api/session",
        "session",
        "Who am I, and may I connect?",
        {200: CurrentSession},
        ("full", "draining"),
        session=True,
        description="What a browser asks when a WebSocket handshake failed, whose status it cannot read.",
    ),
    "delete_session": Operation(
        "DELETE", "/api/session", "session", "Forget the session's cookie", {204: None}, write=True
    ),
    "read_rooms": Operation(
        "GET", "/api/rooms", "rooms", "The rooms, newest activity first", {200: Rooms}, ("unavailable",), session=True
    ),
    "read_messages": Operation(
        "GET",
        f"{_ROOM}/messages",
        "rooms",
        "A room's history",
        {200: MessagePage},
        ("unknown_room", "invalid", "unavailable"),
        session=True,
    ),
    "post_message": Operation(
        "POST",
        f"{_ROOM}/messages",
        "rooms",
        "Write a message",
        {201: CommitResult, 200: CommitResult},
        (
            *("forbidden", "id_conflict", "stale_epoch", "gone", "invalid", "too_long"),
            *("rate_limited", "unavailable"),
        ),
        session=True,
        write=True,
        body=True,
        description="201: it is in the room's log. 200: it was there already, under the same id. The room may be new.",
    ),
    "read_members": Operation(
        "GET",
        f"{_ROOM}/members",
        "rooms",
        "Who is in a room",
        {200: Members},
        ("unknown_room", "invalid", "unavailable"),
        session=True,
    ),
    "read_about": Operation("GET", "/api/about", "service", "Which backend this is", {200: About}),
    "read_health": Operation(
        "GET",
        "/healthz",
        "service",
        "The process is alive",
        {200: Health},
        ("draining",),
        description="503 while all of the backend drains: a gateway is to send newcomers elsewhere.",
    ),
    "read_readiness": Operation(
        "GET",
        "/readyz",
        "service",
        "Delivery works",
        {200: Health},
        ("not_ready",),
        description="In every worker, a probe published through Redis came back within the last five seconds.",
    ),
    "read_metrics": Operation("GET", "/metrics", "service", "Counters, for Prometheus", {200: None}),
}
"""Every documented operation by its name, which is its operation id and the name of its handler in both backends."""

DIAGNOSTICS: Final[dict[str, Operation]] = {
    "block": Operation(
        "POST",
        "/api/diagnostics/block",
        "diagnostics",
        "Block in the handler",
        {200: Lasted},
        ("invalid",),
        write=True,
        body=True,
        description="Sleeps where the handler runs, as a careless call to a slow service does.",
    ),
    "burn": Operation(
        "POST",
        "/api/diagnostics/burn",
        "diagnostics",
        "Compute in the handler",
        {200: Lasted},
        ("invalid",),
        write=True,
        body=True,
        description="Keeps the processor busy where the handler runs, and lets go of nothing.",
    ),
}
"""What a backend offers besides where CHAT_DIAGNOSTICS is 1: handlers that do what none should, to see what follows."""


def operations(settings: Settings) -> dict[str, Operation]:
    """Return what a backend with these settings offers."""
    return OPERATIONS | DIAGNOSTICS if settings.diagnostics else OPERATIONS


PAGES: Final = {"/": "index.html", "/docs": "docs/swagger.html", "/redoc": "docs/redoc.html"}
"""Addresses of pages, and the files of the built client that they are."""
OPENAPI_PATH: Final = "/openapi.json"
ASYNCAPI_PATH: Final = "/asyncapi.json"
SOCKET_PATH: Final = "/ws"

UNBUILT: Final = Answer(
    503,
    b"<!doctype html><title>Tandem</title><p>The client is not built yet: run <code>make build</code>.</p>\n",
    "text/html; charset=utf-8",
)
"""In place of a page while there is no ``web/dist``."""


def _methods() -> dict[re.Pattern[str], set[str]]:
    methods = {path: {"GET"} for path in (*PAGES, OPENAPI_PATH, ASYNCAPI_PATH, SOCKET_PATH)}
    for operation in OPERATIONS.values():
        methods.setdefault(operation.path, set()).add(operation.method)
    for taken in methods.values():
        taken.update({"HEAD"} if "GET" in taken else ())
    return {re.compile(path.replace("{room}", "[^/]+")): taken for path, taken in methods.items()}


_METHODS: Final = _methods()


def unrouted(code: int, path: str) -> Answer:
    """Return the answer where a framework gave up on a request with status ``code``: mostly 404 or 405."""
    if code in (413, 500):
        return problem("too_large" if code == 413 else "internal")
    if code not in (404, 405):
        return status(code)
    for pattern, taken in _METHODS.items():
        if code == 405 and pattern.fullmatch(path):
            answer = problem("method_not_allowed")
            return Answer(answer.status, answer.body, answer.content_type, (("Allow", ", ".join(sorted(taken))),))
    return problem("not_found")
