"""May this request in? Where a browser's request comes from, who it is from, and whether there is room."""

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from chat_core import sessions
from chat_core.limits import RESERVED_THREADS, TokenBucket
from chat_core.problems import Refused
from chat_core.sessions import InvalidSession, Session
from chat_core.settings import Settings

PROOF_LIFETIME: Final = 5.0
"""Seconds for which a probe that came back proves that delivery works."""
RESERVED_DESCRIPTORS: Final = 64
"""Descriptors kept for Redis, HTTP, files and logs."""
_HANDSHAKE_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Head:
    """What decides of a request's head: header values as they came, None where absent."""

    host: str | None = None
    origin: str | None = None
    cookie: str | None = None
    authorization: str | None = None

    @property
    def token(self) -> str | None:
        """The session token: of the Authorization header, else of the cookie."""
        return sessions.bearer(self.authorization) or _cookie(self.cookie or "", sessions.COOKIE)


def origin_allowed(head: Head, settings: Settings) -> bool:
    """Return whether the page that a request comes from may act for its user.

    Cookies go to every port of a host, so they do not tell. No Origin header: not a browser, nothing to protect.
    """
    if head.origin is None:
        return True
    origin = _split(head.origin)
    here = _split(f"{origin.scheme}://{head.host or ''}") if origin else None
    if origin is None or here is None or origin.path or origin.query:
        return False
    if _place(origin) == _place(here):
        return True
    if origin.hostname == here.hostname and origin.port in _sibling_ports(settings):
        return True
    others = [_split(other) for other in (*settings.allowed_origins, settings.twin) if "://" in other]
    return _place(origin) in [_place(other) for other in others if other]


def is_handshake_key(value: str) -> bool:
    """Return whether ``value`` can be a Sec-WebSocket-Key: 16 bytes in base64."""
    return _HANDSHAKE_KEY.fullmatch(value) is not None


def identify(head: Head, settings: Settings, now: float) -> Session:
    """Return the session of a request; raise Refused (401). ``now`` is in seconds since 1970."""
    try:
        return sessions.verify(head.token, settings.secrets, now)
    except InvalidSession:
        raise Refused("unauthorized") from None


def check_origin(head: Head, settings: Settings) -> None:
    """Raise Refused (403) for a page that may not act for its user."""
    if not origin_allowed(head, settings):
        raise Refused("origin_refused")


def upgrade(head: Head, settings: Settings, now: float, *, draining: bool, take_seat: Callable[[str], None]) -> Session:
    """Return the session of one who may open a connection; raise Refused (403, 401 or 503).

    ``now`` is in seconds since 1970. ``take_seat`` keeps a place for a connection of the user with that id, and raises
    Refused where that is over a limit. Two handshakes at once must not both get the last one, so it is kept before the
    upgrade.
    """
    check_origin(head, settings)
    session = identify(head, settings, now)
    check_room(session, draining=draining, check_seat=take_seat)
    return session


def check_room(session: Session, *, draining: bool, check_seat: Callable[[str], None]) -> None:
    """Raise Refused (503) where one who has a session may not connect at present."""
    if draining:
        raise Refused("draining")
    check_seat(session.user.id)


def capacity(settings: Settings, descriptors: int) -> int:
    """Return how many connections one process can hold, given how many ``descriptors`` it may have open."""
    bounds = [descriptors - RESERVED_DESCRIPTORS]
    if settings.backend == "sync" and settings.worker == "gthread":
        bounds.append(settings.threads - RESERVED_THREADS)
    if settings.max_connections:
        bounds.append(settings.max_connections)
    return max(1, min(bounds))


def unready(ages: Sequence[float], workers: int, *, draining: bool) -> str | None:
    """Return why a backend of that many ``workers`` is not ready; None if it is.

    ``ages`` has for each live worker the seconds since a probe of its own came back through Redis.
    """
    if draining:
        return "the server is about to stop"
    proved = sum(age <= PROOF_LIFETIME for age in ages)
    if proved >= workers:
        return None
    lacking = f"{proved} of {workers} workers had a probe come back through Redis within {PROOF_LIFETIME:g} s"
    late = sorted(f"{age:.0f}" for age in ages if age > PROOF_LIFETIME)
    return f"{lacking}; the others' last was {', '.join(late)} s ago" if late else lacking


class Budgets:
    """A token bucket per user, for those who lately asked; the shell sees to it that one thread asks at a time."""

    def __init__(self, settings: Settings, most: int = 10_000) -> None:
        self._rate, self._burst, self._most = settings.command_rate, settings.command_burst, most
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def charge(self, user: str, now: float) -> None:
        """Charge one write to ``user``; raise Refused (429). ``now`` is in monotonic seconds."""
        bucket = self._buckets.pop(user, None) or TokenBucket(self._rate, self._burst)
        self._buckets[user] = bucket
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        if wait := bucket.take(now):
            raise Refused("rate_limited", retry_after=wait)


def _sibling_ports(settings: Settings) -> set[int]:
    """The ports of the request's own host whose pages are ours."""
    ports = {settings.monitor_port} if settings.on_loopback else set()
    if settings.twin.startswith(":") and settings.twin[1:].isdecimal():
        ports.add(int(settings.twin[1:]))
    return ports


def _split(url: str) -> SplitResult | None:
    """The parts of an origin; None for ``null`` and for what is none."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return None
    return parts if valid else None


def _place(origin: SplitResult) -> tuple[str | None, int]:
    """Host and port: the scheme is left out, since whoever ends TLS for us leaves Host as it is."""
    return origin.hostname, origin.port or _DEFAULT_PORTS[origin.scheme]


def _cookie(header: str, name: str) -> str | None:
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value.strip('"')
    return None
