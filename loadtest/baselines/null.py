"""Writes what was posted to everybody in the room, joined into one write, and does nothing else.

What is measured with it is the generator: no server that must do something can be faster than this.
"""

import base64
import hashlib
import json
import os
import selectors
import socket
import struct
import time
from contextlib import suppress
from typing import Any

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
EPOCH = "0" * 16


class Room:
    def __init__(self) -> None:
        self.members: list[socket.socket] = []
        self.pending: list[bytes] = []
        self.offset = 0


class Null:
    def __init__(self, host: str, port: int) -> None:
        self.selector = selectors.DefaultSelector()
        self.rooms: dict[str, Room] = {}
        self.unsent: dict[socket.socket, bytes] = {}
        self.rest_until = 0.0
        listener = socket.create_server((host, port), backlog=1024)
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ)

    def run(self) -> None:
        while True:
            waiting = any(room.pending for room in self.rooms.values())
            wait = max(0.0, self.rest_until - time.monotonic()) if waiting else None
            for key, _ in self.selector.select(wait):
                self.read(key.fileobj, key.data)  # type: ignore[arg-type]
            if time.monotonic() >= self.rest_until:
                self.flush_all([room for room in self.rooms.values() if room.pending])

    def flush_all(self, rooms: list[Room]) -> None:
        """Write what is pending; after a flush of several messages rest twice as long, so that the next joins more."""
        began, joined = time.monotonic(), 0
        for room in rooms:
            data = b"".join(room.pending)
            joined = max(joined, len(room.pending))
            room.pending.clear()
            for member in room.members:
                self.send(member, data)
        if joined > 1:
            self.rest_until = time.monotonic() + 2 * (time.monotonic() - began)

    def read(self, peer: socket.socket, begun: bytearray | None) -> None:
        if begun is None:
            with suppress(BlockingIOError):
                while True:
                    connection, _ = peer.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.selector.register(connection, selectors.EVENT_READ, bytearray())
            return
        self.flush(peer)
        try:
            data = peer.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self.forget(peer)
        begun += data
        if begun.startswith(b"GET"):
            if begun.endswith(b"\r\n\r\n"):
                self.upgrade(peer, bytes(begun))
                begun.clear()
            return None
        while (payload := unmask(begun)) is not None:
            self.obey(peer, json.loads(payload))
        return None

    def upgrade(self, peer: socket.socket, head: bytes) -> None:
        nonce = head.lower().split(b"sec-websocket-key:")[1]
        key = head[len(head) - len(nonce) :].split(b"\r\n")[0].strip()
        token = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.send(peer, answer + b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n")

    def obey(self, peer: socket.socket, command: dict[str, Any]) -> None:
        room = self.rooms.setdefault(command["room"], Room())
        if command["type"] == "join":
            room.members.append(peer)
        else:
            room.offset += 1
            said = {"room": command["room"], "epoch": EPOCH, "offset": room.offset}
            room.pending.append(frame({"type": "message", **said, "id": command["id"], "text": command["text"]}))
        place = {"epoch": EPOCH, "offset": room.offset}
        self.send(peer, frame({"type": "reply", "ref": command["ref"], "result": place}))

    def send(self, peer: socket.socket, data: bytes) -> None:
        if peer in self.unsent:
            self.unsent[peer] += data
            return
        sent = 0
        with suppress(OSError):
            sent = peer.send(data)
        if sent < len(data):
            self.unsent[peer] = data[sent:]
            with suppress(KeyError, ValueError):
                begun = self.selector.get_key(peer).data
                self.selector.modify(peer, selectors.EVENT_READ | selectors.EVENT_WRITE, begun)

    def flush(self, peer: socket.socket) -> None:
        if data := self.unsent.pop(peer, None):
            self.send(peer, data)
            if peer not in self.unsent:
                self.selector.modify(peer, selectors.EVENT_READ, self.selector.get_key(peer).data)

    def forget(self, peer: socket.socket) -> None:
        for room in self.rooms.values():
            if peer in room.members:
                room.members.remove(peer)
        self.unsent.pop(peer, None)
        self.selector.unregister(peer)
        peer.close()


def unmask(data: bytearray) -> bytes | None:
    """Take a client's frame from the beginning of ``data``; None where it is not whole."""
    if len(data) < 6:
        return None
    size, body = data[1] & 0x7F, 6
    if size == 126:
        size, body = int.from_bytes(data[2:4], "big"), 8
    if len(data) < body + size:
        return None
    key = (data[body - 4 : body] * (size // 4 + 1))[:size]
    masked = int.from_bytes(data[body : body + size], "big")
    del data[: body + size]
    return (masked ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def frame(content: dict[str, Any]) -> bytes:
    payload = json.dumps(content).encode()
    size = len(payload)
    return (bytes((0x81, size)) if size < 126 else struct.pack("!BBH", 0x81, 126, size)) + payload


if __name__ == "__main__":
    Null(os.environ["HOST"], int(os.environ["PORT"])).run()
