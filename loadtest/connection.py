"""One WebSocket connection of the generator: one user, in one room."""

import json
import os
import random
import selectors
import socket
import struct
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from loadtest import wire
from loadtest.follower import Follower
from loadtest.reference import Reference

MOST_HEAD: Final = 16 * 1024
JOIN_REF: Final = 0
LEAVE_REF: Final = (1 << 53) - 1

PORTS_PER_SOURCE: Final = 20_000
IP_BIND_ADDRESS_NO_PORT: Final = 24
"""Of Linux: the port is chosen when the peer is known, so that each peer has all of them."""

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE


class Phase(Enum):
    """How far a connection has come."""

    CONNECTING = auto()
    UPGRADING = auto()
    OPEN = auto()
    JOINED = auto()
    CLOSED = auto()


class Connection:
    """See the module. ``number`` is its place in the plan; ``ended`` says why it is closed."""

    __slots__ = (
        "_buffer",
        "_head",
        "_headers",
        "_host",
        "_nonce",
        "_outgoing",
        "_selector",
        "_watched",
        "ended",
        "follower",
        "number",
        "phase",
        "room",
        "socket",
    )

    def __init__(
        self,
        number: int,
        reference: Reference,
        address: tuple[str, int],
        headers: Mapping[str, str],
        selector: selectors.BaseSelector,
        buffer: memoryview,
        receive_buffer: int | None = None,
    ) -> None:
        self.number = number
        self.phase = Phase.CONNECTING
        self.ended = ""
        self.room = reference.room
        self.follower = Follower(reference, self._take)
        self._host = f"{address[0]}:{address[1]}"
        self._headers = headers
        self._nonce = os.urandom(16)
        self._selector = selector
        self._buffer = buffer  # shared by all: what is read is accounted for before the next read
        self._head = b""
        self._outgoing = b""
        self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Closing resets: no local port is left waiting for a minute, of which there are only so many.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if (source := _source(address[0], number)) is not None:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            self.socket.bind((source, 0))
        self.socket.connect_ex(address)
        selector.register(self.socket, WRITE, self)
        self._watched = True

    # ---- what the generator calls ---------------------------------------------------------------

    def join(self) -> None:
        """Ask to become a member."""
        self.command({"type": "join", "ref": JOIN_REF, "room": self.room})

    def command(self, command: dict[str, Any]) -> None:
        self.send(wire.encode(wire.TEXT, json.dumps(command).encode(), random.getrandbits(32)))

    def send(self, data: bytes) -> None:
        """Send, behind what the kernel has not taken yet."""
        if self._outgoing:
            self._outgoing += data
            return
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            return self.close(f"gone: {error}")
        if sent < len(data):
            self._outgoing = data[sent:]
            if self._watched:
                self._selector.modify(self.socket, READ | WRITE, self)
        return None

    def pause(self) -> None:
        """Stop reading and answering."""
        if self._watched:
            self._watched = False
            self._selector.unregister(self.socket)

    def go_on(self) -> None:
        """Read again after a pause."""
        if not self._watched and self.phase is not Phase.CLOSED:
            self._watched = True
            self._selector.register(self.socket, READ | WRITE if self._outgoing else READ, self)

    def leave(self) -> None:
        """Ask to be a member no longer."""
        self.command({"type": "leave", "ref": LEAVE_REF, "room": self.room})

    def on_event(self, mask: int) -> int:
        """The socket can be read or written: returns the number of bytes read."""
        if mask & WRITE:
            self._on_writable()
        return self._on_readable() if mask & READ and self.phase is not Phase.CLOSED else 0

    def close(self, why: str) -> None:
        if self.phase is not Phase.CLOSED:
            before, self.phase, self.ended = self.phase, Phase.CLOSED, why
            if self._watched:
                self._selector.unregister(self.socket)
            self.socket.close()
            self.on_closed(before)

    # ---- what may be told to who cares ----------------------------------------------------------

    def on_open(self) -> None:
        """The handshake succeeded."""

    def on_joined(self, result: dict[str, Any]) -> None:
        """The server says that this is a member now."""
        self.follower.join(str(result.get("epoch")), result["offset"])

    def on_reply(self, reply: dict[str, Any]) -> None:
        """A post was answered."""
        self.follower.reference.ledger.replied(self.number, reply)

    def on_left(self) -> None:
        """The server says that this is no member any more."""

    def on_replay(self, push: dict[str, Any]) -> None:
        """Another page of what was missed."""

    def on_closed(self, before: Phase) -> None:
        """The connection ended, for the reason in ``ended``, having come as far as ``before``."""

    # ---- events ---------------------------------------------------------------------------------

    def _on_writable(self) -> None:
        if self.phase is Phase.CONNECTING:
            if number := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return self.close(os.strerror(number))
            self.phase = Phase.UPGRADING
            self._outgoing = wire.request(self._host, "/ws", self._nonce, self._headers)
        data, self._outgoing = self._outgoing, b""
        self._selector.modify(self.socket, READ, self)
        return self.send(data) if data else None

    def _on_readable(self) -> int:
        try:
            size = self.socket.recv_into(self._buffer)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.close(f"lost: {error}")
            return 0
        if not size:
            self.close("lost: end of stream")
            return 0
        try:
            if self.phase is Phase.UPGRADING:
                self._upgrade(bytes(self._buffer[:size]))
            else:
                self.follower.feed(self._buffer[:size])
        except wire.BrokenStream as error:
            self.follower.reference.ledger.faults.note("corrupt", 1, f"connection {self.number}: {error}")
            self.close(f"broken: {error}")
        return size

    def _upgrade(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return self.close("no end of the handshake") if len(self._head) > MOST_HEAD else None
        if not wire.accepted(head, self._nonce):
            return self.close(f"refused: {head.splitlines()[0].decode(errors='replace')}")
        self.phase, self._head = Phase.OPEN, b""
        self.on_open()
        return self.follower.feed(memoryview(rest)) if rest else None

    def _take(self, opcode: int, content: Any) -> None:
        """What is no log entry. Presence, typing and notices are not this test's concern."""
        if opcode == wire.PING:
            self.send(wire.encode(wire.PONG, content, random.getrandbits(32)))
        elif opcode == wire.CLOSE:
            self.close(
                f"closed by the server: {int.from_bytes(content[:2], 'big')} {content[2:].decode('utf-8', 'replace')}"
            )
        elif opcode == wire.TEXT and content.get("type") == "reply":
            self._on_reply(content)
        elif opcode == wire.TEXT and content.get("type") == "replay":
            self.on_replay(content)
        elif opcode == wire.TEXT and content.get("type") == "reset":
            self.close("reset: what was missed cannot be had")

    def _on_reply(self, reply: dict[str, Any]) -> None:
        if reply.get("ref") == LEAVE_REF:
            return self.on_left()
        if reply.get("ref") != JOIN_REF:
            return self.on_reply(reply)
        result = reply.get("result")
        if not isinstance(result, dict) or not isinstance(result.get("offset"), int):
            return self.close(f"not let in: {reply.get('error')}")
        self.phase = Phase.JOINED
        return self.on_joined(result)


def _source(host: str, number: int) -> str | None:
    """Return the address to connect from: one has about 28,000 ports, the loopback many addresses."""
    if number < PORTS_PER_SOURCE or not host.startswith("127."):
        return None
    return f"127.0.0.{1 + number // PORTS_PER_SOURCE}"
