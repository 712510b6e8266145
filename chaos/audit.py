"""What the servers say themselves once all is quiet: the log from its beginning, the history, who is there."""

import asyncio
import http.client
import json
import time
from typing import Any

from websockets.asyncio.client import connect as open_socket

from chaos.history import Json, Recorder
from chat_core.sessions import issue
from stack.backends import Backend


def health(backend: Backend) -> float:
    """Return the seconds that /healthz took. Raises OSError where nobody answered within five, or at all."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(backend.host, backend.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        if connection.getresponse().status != http.HTTPStatus.OK:
            raise OSError("not well")
    finally:
        connection.close()
    return time.monotonic() - began


class Auditor:
    """A user who is in no room while it reads who is there."""

    def __init__(self, secret: str) -> None:
        self._token, _ = issue("Auditor", [secret], time.time())

    def members(self, backend: Backend, room: str) -> list[str]:
        """Return the ids of the users in a room, as REST has them."""
        return [user["id"] for user in self._get(backend, f"/api/rooms/{room}/members")["users"]]

    async def read(self, backend: Backend, room: str, recorder: Recorder) -> None:
        """Write down all that a room's log and history have. Raises RuntimeError where the log cannot be had whole."""
        recorder.note("history", {"room": room, "messages": await asyncio.to_thread(self._history, backend, room)})
        recorder.note("log", {"room": room, "entries": await self._log(backend, room)})

    def _history(self, backend: Backend, room: str) -> list[Json]:
        messages: list[Json] = []
        more = True
        while more:
            after = messages[-1]["offset"] if messages else 0
            page = self._get(backend, f"/api/rooms/{room}/messages?after={after}&limit=200")
            messages += page["messages"]
            more = page["more"]
        return messages

    async def _log(self, backend: Backend, room: str) -> list[Json]:
        page = await asyncio.to_thread(self._get, backend, f"/api/rooms/{room}/messages?limit=1")
        since = {"epoch": page["epoch"], "offset": 0}
        headers = {"Authorization": f"Bearer {self._token}"}
        options: Json = {"compression": None, "proxy": None, "max_size": None, "close_timeout": 2}
        async with open_socket(backend.ws_url, additional_headers=headers, **options) as socket, asyncio.timeout(30):
            await socket.send(json.dumps({"type": "join", "ref": 1, "room": room, "since": since}))
            while (frame := json.loads(await socket.recv()))["type"] != "reply":
                pass
            result = frame.get("result", {})
            if not result.get("recovered"):
                raise RuntimeError(f"the log of {room} cannot be read from its beginning: {frame}")
            entries: list[Json] = result["messages"]
            more = result["more"]
            while more:
                frame = json.loads(await socket.recv())
                if frame["type"] == "replay":
                    entries += frame["messages"]
                    more = frame["more"]
            await socket.send(json.dumps({"type": "leave", "ref": 2, "room": room}))
        return entries

    def _get(self, backend: Backend, path: str) -> Any:
        connection = http.client.HTTPConnection(backend.host, backend.port, timeout=5)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status == http.HTTPStatus.NOT_FOUND:  # nobody has said anything there
            return {"users": [], "messages": [], "more": False, "epoch": "0" * 16}
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path} was answered {answer.status}: {body[:200]!r}")
        return json.loads(body)
