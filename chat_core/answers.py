"""How answers are made of what the bus said, and requests read: whole HTTP bodies, without any framework."""

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel
from pydantic_core import from_json

from chat_core import log, sessions
from chat_core.api import VERSION, About, CurrentSession, Health, IssuedSession, Lasted, NewMessage, Room, Rooms, Twin
from chat_core.codec import array, dump
from chat_core.frames import Post
from chat_core.log import Author, Committed, History, Outcome, Write
from chat_core.presence import State
from chat_core.problems import Answer, Refused, problem
from chat_core.sessions import Session
from chat_core.settings import LABELS, TWINS, Settings

JSON: Final = "application/json"

# ---- requests -------------------------------------------------------------------------------------------------------


def json_object(content_type: str | None, body: bytes) -> dict[str, object]:
    """Return the JSON object that ``body`` is; raise Refused (415, 400).

    Parsed by pydantic_core alone: ``json.loads`` lets lone surrogates pass and overflows the stack on deep nesting.
    """
    if (content_type or "").partition(";")[0].strip().lower() != JSON:
        raise Refused("unsupported_type")
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Refused("malformed") from None
    if not isinstance(value, dict):
        raise Refused("malformed")
    return value


def post(room: str, message: NewMessage, session: Session, settings: Settings) -> Write:
    """Return what the log is to do for a message; raise Refused (422)."""
    if len(message.text) > settings.max_text:
        raise Refused("too_long", f"a message has at most {settings.max_text} characters")
    command = Post(type="post", ref=0, room=room, id=message.id, text=message.text, reply_to=message.reply_to)
    return log.write(command, Author.of(session.user, moderator=session.moderator))


# ---- answers --------------------------------------------------------------------------------------------------------


def created_session(name: str, settings: Settings, now: float, *, https: bool) -> Answer:
    """Return the answer that begins a session. ``now`` is in seconds since 1970."""
    token, session = sessions.issue(name, settings.secrets, now)
    issued = IssuedSession(token=token, user=session.user, moderator=session.moderator, expires_at=session.expires_at)
    return _json(201, issued, ("Set-Cookie", _cookie(token, sessions.LIFETIME, https=https)))


def current_session(session: Session) -> Answer:
    """Return the answer that says who somebody is."""
    return _json(200, CurrentSession(user=session.user, moderator=session.moderator, expires_at=session.expires_at))


def deleted_session(*, https: bool) -> Answer:
    """Return the answer that ends a session in the browser. A token that was copied stays good until it expires."""
    return Answer(204, headers=(("Set-Cookie", _cookie("", 0, https=https)),))


def rooms(found: Sequence[tuple[str, float]]) -> Answer:
    """Return the answer that lists rooms by name and activity (seconds since 1970)."""
    return _json(200, Rooms(rooms=[Room(name=name, active_at=active_at) for name, active_at in found]))


def messages(room: str, history: History | None) -> Answer:
    """Return the answer with a page of history, whose messages stay the text that Redis made; raise Refused (404)."""
    if history is None:
        raise Refused("unknown_room")
    found, more = array(history.messages), dump(history.more)
    body = f'{{"room":"{room}","epoch":"{history.epoch}","messages":{found},"more":{more}}}'
    return Answer(200, body.encode(), JSON)


def posted(outcome: Outcome) -> Answer:
    """Return the answer that says where a message is in the log; raise Refused."""
    if not isinstance(outcome, Committed):
        raise Refused(outcome)
    return Answer(200 if outcome.duplicate else 201, outcome.json().encode(), JSON)


def members(state: State | None) -> Answer:
    """Return the answer that says who is in a room; raise Refused (404)."""
    if state is None:
        raise Refused("unknown_room")
    return _json(200, state.members())


def about(settings: Settings) -> Answer:
    """Return the answer that says which backend this is."""
    twin = Twin(label=LABELS[TWINS[settings.backend]], address=settings.twin) if settings.twin else None
    return _json(200, About(backend=settings.backend, label=LABELS[settings.backend], twin=twin, version=VERSION))


def health(*, leaving: bool) -> Answer:
    """Return whether newcomers may be sent here: 200, or 503 where the whole backend is about to stop."""
    return problem("draining") if leaving else _HEALTHY


def readiness(reason: str | None) -> Answer:
    """Return the answer that delivery works, or the ``reason`` why not."""
    return problem("not_ready", reason) if reason else _json(200, Health(status="ready"))


def lasted(seconds: float) -> Answer:
    """Return the answer that says how long a diagnosis took."""
    return _json(200, Lasted(seconds=round(seconds, 6)))


_HEALTHY: Final = Answer(200, b'{"status":"alive"}', JSON)


def _json(code: int, document: BaseModel, *headers: tuple[str, str]) -> Answer:
    return Answer(code, document.model_dump_json().encode(), JSON, headers)


def _cookie(token: str, lifetime: int, *, https: bool) -> str:
    secure = "; Secure" if https else ""
    return f"{sessions.COOKIE}={token}; Max-Age={lifetime}; Path=/; HttpOnly; SameSite=Lax{secure}"
