"""Tokens: whoever has the secret can make one, nobody else can."""

import time

import jwt
import pytest

from chat_core import sessions
from chat_core.sessions import InvalidSession

OLD, NEW, OTHER = "o" * 32, "n" * 32, "x" * 32


def test_a_session_is_what_was_issued() -> None:
    token, session = sessions.issue(" Ada\u0301 ", [NEW], time.time())
    assert session.user.name == "Ad\u00e1"
    assert not session.moderator
    assert sessions.verify(token, [NEW], time.time()) == session


def test_two_of_the_same_name_are_two_users() -> None:
    assert len({sessions.issue("Ada", [NEW], 0)[1].user.id for _ in range(100)}) == 100


def test_a_moderator_is_made_with_the_secret() -> None:
    token, _ = sessions.issue("Ada", [NEW], time.time(), moderator=True)
    assert sessions.verify(token, [NEW], time.time()).moderator


def test_the_first_secret_signs_and_all_verify() -> None:
    before, earlier = sessions.issue("Ada", [OLD], time.time())
    after, later = sessions.issue("Ada", [NEW, OLD], time.time())
    assert sessions.verify(before, [NEW, OLD], time.time()) == earlier
    assert sessions.verify(after, [NEW], time.time()) == later
    with pytest.raises(InvalidSession):
        sessions.verify(after, [OLD], time.time())


def test_a_session_ends() -> None:
    token, session = sessions.issue("Ada", [NEW], time.time() - sessions.LIFETIME - 1)
    assert session.expires_at < time.time()
    with pytest.raises(InvalidSession):
        sessions.verify(token, [NEW], time.time())
    assert sessions.verify(token, [NEW], session.expires_at - 1) == session
    with pytest.raises(InvalidSession):
        sessions.verify(token, [NEW], session.expires_at)


GOOD = {"sub": "a", "name": "Ada", "exp": 4e9}


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "x",
        "a.b.c",
        "é.é.é",
        jwt.encode(GOOD, OTHER, "HS256"),
        jwt.encode(GOOD, None, "none"),
        jwt.encode(GOOD, "n" * 64, "HS512"),
        jwt.encode({"sub": "a", "name": "Ada"}, NEW, "HS256"),
        jwt.encode({"name": "Ada", "exp": 4e9}, NEW, "HS256"),
        jwt.encode({"sub": "a", "exp": 4e9}, NEW, "HS256"),
        jwt.encode(GOOD | {"name": 7}, NEW, "HS256"),
        jwt.encode(GOOD | {"aud": "somebody else"}, NEW, "HS256"),
        jwt.encode(GOOD | {"nbf": 3.9e9}, NEW, "HS256"),
        jwt.encode(GOOD | {"iat": 3.9e9}, NEW, "HS256"),
        jwt.encode(GOOD, NEW, "HS256")[:-2],
    ],
)
def test_what_was_not_issued_is_no_session(token: str | None) -> None:
    with pytest.raises(InvalidSession):
        sessions.verify(token, [NEW], time.time())


def test_what_a_token_says_beside_that_is_its_own_business() -> None:
    token = jwt.encode(GOOD | {"exp": 4e9 + 0.5, "nbf": 1, "iat": 1, "role": "bard", "jti": "x"}, NEW, "HS256")
    session = sessions.verify(token, [NEW], time.time())
    assert (session.user.id, session.moderator, session.expires_at) == ("a", False, 4_000_000_000)


def test_no_secret_makes_everything_invalid() -> None:
    with pytest.raises(InvalidSession):
        sessions.verify(jwt.encode(GOOD, NEW, "HS256"), [], time.time())


@pytest.mark.parametrize("name", ["", "   ", "x" * 33, "a\nb", "a\u2028b", "\x00"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="display name"):
        sessions.issue(name, [NEW], 0)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("", None),
        (None, None),
    ],
)
def test_a_bearer_token_is_read_from_its_header(header: str | None, token: str | None) -> None:
    assert sessions.bearer(header) == token
