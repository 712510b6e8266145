"""Who somebody is: signed tokens, the same on both backends, carried in a cookie or in ``Authorization: Bearer``."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
from pydantic import BaseModel, FiniteFloat

from chat_core.frames import User, clean_name

COOKIE: Final = "chat_session"
LIFETIME: Final = 24 * 3600
"""Seconds that a session lasts."""
_ALGORITHM: Final = "HS256"
# The signature by the library, the claims by a model: so both take half the time.
_SIGNED: Final = jwt.PyJWS([_ALGORITHM])


class _Claims(BaseModel):
    """What is signed. Names are RFC 7519's, but for ``role``; times are in seconds since 1970. There is no ``aud``."""

    sub: str
    name: str
    exp: FiniteFloat
    nbf: FiniteFloat = 0
    iat: FiniteFloat = 0
    aud: None = None
    role: Any = None


class InvalidSession(Exception):
    """There is no token, or it is forged, damaged or expired."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a token says. ``expires_at`` is in seconds since 1970."""

    user: User
    moderator: bool
    expires_at: int


def issue(name: str, secrets_: Sequence[str], now: float, *, moderator: bool = False) -> tuple[str, Session]:
    """Return a token and its session for a new user called ``name``; the first secret signs. Raises ValueError."""
    user = User(id=secrets.token_hex(8), name=clean_name(name))
    session = Session(user, moderator, int(now) + LIFETIME)
    claims: dict[str, object] = {"sub": user.id, "name": user.name, "exp": session.expires_at}
    if moderator:
        claims["role"] = "moderator"
    return jwt.encode(claims, secrets_[0], _ALGORITHM), session


def verify(token: str | None, secrets_: Sequence[str], now: float) -> Session:
    """Return the session that ``token`` stands for ``now``, signed by any of the secrets; raise InvalidSession."""
    for secret in secrets_ if token else ():
        try:
            claims = _Claims.model_validate_json(_SIGNED.decode(token or "", secret, [_ALGORITHM]))
            user = User(id=claims.sub, name=claims.name)
        except (jwt.InvalidTokenError, ValueError):
            continue
        if max(claims.nbf, claims.iat) <= now < claims.exp:
            return Session(user, claims.role == "moderator", int(claims.exp))
    raise InvalidSession("there is no valid session: POST /api/session gives one")


def bearer(authorization: str | None) -> str | None:
    """Return the token in an Authorization header; None where there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None
