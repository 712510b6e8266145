"""Who the tests act as."""

import secrets
import time
from dataclasses import dataclass

from chat_core import sessions
from tests.wire.rest import Rest

SECRET = "signs the sessions of the tests and of nobody else"
OLD_SECRET = "signed the sessions of the tests before that one"


@dataclass(frozen=True)
class Person:
    """A user with a session."""

    id: str
    name: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What shows who a request is from."""
        return {"Authorization": f"Bearer {self.token}"}


def sign_in(http: Rest, url: str, name: str) -> Person:
    """Begin a session as a new user called ``name``."""
    answer = http.post(f"{url}/api/session", json={"name": name})
    assert answer.status_code == 201, answer.text
    issued = answer.json()
    return Person(issued["user"]["id"], issued["user"]["name"], issued["token"])


def signed(secret: str = SECRET, *, name: str = "Ada", moderator: bool = False, age: float = 0.0) -> Person:
    """Return somebody whose session was signed with ``secret``, ``age`` seconds ago."""
    token, session = sessions.issue(name, [secret], time.time() - age, moderator=moderator)
    return Person(session.user.id, session.user.name, token)


def damaged(token: str) -> str:
    """Return ``token`` with one character of its signature changed."""
    head, _, signature = token.rpartition(".")
    other = "A" if signature[0] != "A" else "B"
    return f"{head}.{other}{signature[1:]}"


def fresh_room() -> str:
    """Return the name of a room that nobody has seen yet."""
    return f"t-{secrets.token_hex(6)}"
