"""What is answered where a request cannot be carried out: one table, and RFC 9457 documents made from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, Field

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SOON: Final = 1
"""Seconds: what is missing is expected back at once, or elsewhere."""
RETRY_LATER: Final = 5
"""Seconds: somebody else has to leave first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer, byte for byte the same from both backends. No ``content_type``: no body."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class InvalidField(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="where: names and indexes joined by dots; empty for the whole")
    detail: str


class Problem(BaseModel):
    """RFC 9457: why a request was not carried out."""

    type: str = Field(description="urn:tandem:problem: and one word, the same for the same kind of problem")
    title: str
    status: int
    detail: str
    errors: list[InvalidField] | None = Field(None, description="with invalid: what is wrong where")


class Kind(NamedTuple):
    """One kind of problem; ``detail`` is what is said unless more is known."""

    status: int
    title: str
    detail: str
    headers: tuple[tuple[str, str], ...] = ()


def _retry_after(seconds: float) -> tuple[tuple[str, str], ...]:
    return (("Retry-After", str(max(1, ceil(seconds)))),)


PROBLEMS: Final[dict[str, Kind]] = {
    "malformed": Kind(400, "Malformed request", "the body is not a JSON object"),
    "bad_handshake": Kind(400, "Bad handshake", "this is not a WebSocket handshake of version 13"),
    "unauthorized": Kind(
        401,
        "No valid session",
        "there is no valid session: POST /api/session gives one",
        (("WWW-Authenticate", "Bearer"),),
    ),
    "origin_refused": Kind(403, "Origin not allowed", "this origin is not among those that may do this"),
    "forbidden": Kind(403, "Not allowed", "only its author may do that"),
    "unknown_room": Kind(404, "No such room", "a room exists from the first time somebody joins it or posts to it"),
    "not_found": Kind(404, "Not found", "there is nothing at this address"),
    "method_not_allowed": Kind(405, "Method not allowed", "this address does not take that method"),
    "too_slow": Kind(408, "Request too slow", "the request did not arrive whole in time"),
    "id_conflict": Kind(409, "Id used before", "this id was used for something else"),
    "stale_epoch": Kind(409, "Log has ended", "this position is of a log that has ended"),
    "gone": Kind(410, "Gone", "what this is about is no longer there"),
    "too_large": Kind(413, "Body too large", "the body is larger than the limit"),
    "unsupported_type": Kind(415, "Not JSON", "the body must be sent as application/json"),
    "invalid": Kind(422, "Invalid request", "the request does not have the documented form"),
    "too_long": Kind(422, "Text too long", "the text is longer than the limit"),
    "upgrade_required": Kind(
        426, "WebSocket only", "this address takes WebSocket handshakes", (("Upgrade", "websocket"),)
    ),
    "rate_limited": Kind(429, "Too many requests", "too many messages at once", _retry_after(RETRY_SOON)),
    "internal": Kind(500, "Internal error", "the server failed; its log says why"),
    "unavailable": Kind(
        503,
        "Outcome unknown",
        "Redis did not answer: a message may have been written or not; send it again with the same id",
        _retry_after(RETRY_SOON),
    ),
    "full": Kind(503, "Full", "no more connections are taken at present", _retry_after(RETRY_LATER)),
    "draining": Kind(503, "Draining", "the server is about to stop", _retry_after(RETRY_SOON)),
    "not_ready": Kind(503, "Not ready", "delivery does not work", _retry_after(RETRY_SOON)),
}
"""Each kind of problem by its slug. Those of a refused command have the names that they have on the wire."""


class Refused(Exception):
    """Ends a request with a problem; ``answer`` is the whole of it, ``outcome`` its name in metrics."""

    def __init__(
        self, slug: str, detail: str | None = None, retry_after: float | None = None, outcome: str | None = None
    ) -> None:
        super().__init__(slug)
        self.outcome = outcome or slug
        self.answer = problem(slug, detail, retry_after)


def problem(slug: str, detail: str | None = None, retry_after: float | None = None) -> Answer:
    """Return the answer for the problem called ``slug``; ``retry_after`` is in seconds."""
    headers = PROBLEMS[slug].headers if retry_after is None else _retry_after(retry_after)
    return _answer(document(slug, detail), headers)


def last_message(answer: Answer) -> bytes:
    """Return ``answer`` as HTTP/1.1, for where no framework is; the connection ends with it."""
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    fields = (("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), ("Connection", "close"))
    lines += [f"{name}: {value}" for name, value in (*fields, *answer.headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body


def document(slug: str, detail: str | None = None, errors: list[InvalidField] | None = None) -> Problem:
    """Return the document for the problem called ``slug``."""
    kind = PROBLEMS[slug]
    title, code = kind.title, kind.status
    return Problem(
        type=f"urn:tandem:problem:{slug}", title=title, status=code, detail=detail or kind.detail, errors=errors
    )


def invalid(errors: Sequence[Any]) -> Answer:
    """Return the answer for what Pydantic found wrong: ``errors`` are those of one part of the request, path first."""
    found = [
        InvalidField(field=".".join(map(str, error["loc"])), detail=error["msg"].removeprefix("Value error, "))
        for error in errors
    ]
    first = f"{found[0].field}: {found[0].detail}" if found[0].field else found[0].detail
    return _answer(document("invalid", first, found))


def status(code: int) -> Answer:
    """Return the answer for a fault that the framework found and the table does not know."""
    phrase = HTTPStatus(code).phrase
    return _answer(Problem(type="about:blank", title=phrase, status=code, detail=phrase))


def _answer(found: Problem, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(found.status, found.model_dump_json(exclude_none=True).encode(), MEDIA_TYPE, headers)
