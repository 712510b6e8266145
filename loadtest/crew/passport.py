"""Sessions for the users: minted with the server's secret, asked of it, or none where it knows of none."""

import http.client
import json
import time
from collections.abc import Mapping

from chat_core import sessions


class Passports:
    """``secret`` is that of a server of our own; ``asked`` says whether another one gives sessions."""

    def __init__(self, address: tuple[str, int], secret: str | None, asked: bool) -> None:
        self._address = address
        self._secret = secret
        self._asked = asked
        self._known: dict[int, str] = {}

    def headers(self, user: int) -> Mapping[str, str]:
        """Return the headers of a handshake. A user who comes back is the same one. Raises OSError, ValueError."""
        if not self._secret and not self._asked:
            return {}
        if user not in self._known:
            self._known[user] = self._issue(f"member {user}")
        return {"Authorization": f"Bearer {self._known[user]}"}

    def _issue(self, name: str) -> str:
        if self._secret:
            return sessions.issue(name, [self._secret], time.time())[0]
        connection = http.client.HTTPConnection(*self._address, timeout=5)
        try:
            connection.request("POST", "/api/session", json.dumps({"name": name}), {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            raise OSError(f"no session to be had: {error!r}") from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.CREATED:
            raise OSError(f"no session to be had: POST /api/session says {response.status}")
        return str(json.loads(body)["token"])
