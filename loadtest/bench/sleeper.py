"""A member that stops reading once it has joined, and what it gets when it reads again and resumes.

It waits for its socket: whoever uses it has nothing else to do meanwhile.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadtest import wire
from loadtest.connection import JOIN_REF, MOST_HEAD
from loadtest.generator import GeneratorError

RECEIVE_BUFFER: Final = 4096
"""Bytes asked of the kernel for a member that does not read: what it takes is not what the server keeps."""
PATIENCE: Final = 15.0
"""Seconds to wait for each answer."""

Entry = dict[str, Any]


class Sleeper:
    """Joined and not reading. ``position`` is the last entry it has seen: what it resumes from."""

    def __init__(
        self,
        address: tuple[str, int],
        room: str,
        headers: Mapping[str, str],
        since: Mapping[str, Any] | None = None,
        receive_buffer: int | None = RECEIVE_BUFFER,
    ) -> None:
        """Join, with ``since`` to resume. Raises GeneratorError where it is not let in."""
        self.room = room
        self._data = b""
        self._socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        try:
            if receive_buffer is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self._socket.settimeout(PATIENCE)
            self._socket.connect(address)
            self._upgrade(f"{address[0]}:{address[1]}", headers)
            self.welcome = self._join(since)
        except (OSError, EOFError, wire.BrokenStream) as error:
            self.close()
            raise GeneratorError(f"a member that does not read: {error}") from error
        except GeneratorError:
            self.close()
            raise
        self.position = {"epoch": self.welcome["epoch"], "offset": self.welcome["offset"]}

    def read_rest(self, last: int) -> list[Entry]:
        """Read until the server has closed, or until the entry at offset ``last``; return the entries."""
        entries = []
        with contextlib.suppress(OSError, EOFError):
            while self.position["offset"] < last:
                entry = self._next()
                if entry["type"] == "message":
                    entries.append(entry)
                    self.position = {"epoch": entry["epoch"], "offset": entry["offset"]}
        return entries

    def pages(self) -> Iterator[Entry]:
        """Return the entries that were missed, as they come. Raises GeneratorError where they do not."""
        page = self.welcome
        try:
            while True:
                yield from page["messages"]
                if not page["more"]:
                    return
                while (page := self._next())["type"] != "replay":
                    pass
        except (OSError, EOFError) as error:
            raise GeneratorError(f"a member that resumed: {error}") from error

    def close(self) -> None:
        self._socket.close()

    def _upgrade(self, host: str, headers: Mapping[str, str]) -> None:
        nonce = os.urandom(16)
        self._socket.sendall(wire.request(host, "/ws", nonce, headers))
        while b"\r\n\r\n" not in self._data and len(self._data) <= MOST_HEAD:
            self._receive()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        if not wire.accepted(head, nonce):
            raise GeneratorError(f"refused: {head.splitlines()[0].decode(errors='replace')}")

    def _join(self, since: Mapping[str, Any] | None) -> dict[str, Any]:
        command = {"type": "join", "ref": JOIN_REF, "room": self.room} | ({"since": since} if since else {})
        self._socket.sendall(wire.encode(wire.TEXT, json.dumps(command).encode(), 0))
        while (reply := self._next())["type"] != "reply":
            pass
        if "result" not in reply:
            raise GeneratorError(f"not let in: {reply.get('error')}")
        result: dict[str, Any] = reply["result"]
        return result

    def _next(self) -> dict[str, Any]:
        """Return the next push or reply. Raises EOFError where there is no more."""
        while True:
            if (frame := wire.frame_at(self._data, 0)) is None:
                self._receive()
                continue
            self._data = self._data[len(frame.whole) :]
            if frame.opcode == wire.CLOSE:
                raise EOFError("closed by the server")
            if frame.opcode == wire.TEXT:
                said: dict[str, Any] = json.loads(frame.payload)
                return said

    def _receive(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise EOFError("end of stream")
        self._data += data


def resumed(
    address: tuple[str, int], room: str, headers: Mapping[str, str], position: Mapping[str, Any]
) -> list[Entry]:
    """Join again from ``position`` and return what was missed. Raises GeneratorError where that is not to be had."""
    member = Sleeper(address, room, headers, since=position, receive_buffer=None)
    try:
        if not member.welcome["recovered"]:
            raise GeneratorError(f"a member that resumed from {position}: recovered is false")
        return list(member.pages())
    finally:
        member.close()
