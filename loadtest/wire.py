"""The client's end of WebSocket (RFC 6455), as much of it as chat needs and with nothing that takes time."""

import base64
import hashlib
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_WHOLE: Final = frozenset({0x80 | TEXT, 0x80 | CLOSE, 0x80 | PING, 0x80 | PONG})
MOST_PAYLOAD: Final = 64 * 1024 * 1024


class BrokenStream(Exception):
    """The bytes are not those of a WebSocket server: where the next frame begins cannot be known."""


class Frame(NamedTuple):
    """A frame from the server; ``whole`` are all its bytes, ``payload`` those behind the header."""

    opcode: int
    payload: bytes
    whole: bytes


def frame_at(data: bytes, start: int) -> Frame | None:
    """Return the frame that begins at ``start``; None where its end is not in ``data`` yet. Raises BrokenStream.

    Fragments, masks, extensions and binary frames count as broken: no server of this protocol sends them.
    """
    body, end = start + 2, len(data)
    if end < body:
        return None
    first, size = data[start], data[start + 1]
    if first not in _WHOLE or size > 127:
        raise BrokenStream(f"no frame begins with {data[start:body].hex(' ')}")
    if size >= 126:
        width = 2 if size == 126 else 8
        if end < body + width:
            return None
        size = int.from_bytes(data[body : body + width], "big")
        body += width
    if size > MOST_PAYLOAD:
        raise BrokenStream(f"a frame of {size} bytes")
    if end < body + size:
        return None
    return Frame(first & 0x0F, data[body : body + size], data[start : body + size])


def encode(opcode: int, payload: bytes, mask: int) -> bytes:
    """Return a client's frame, masked with the 32 bits of ``mask``."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BBI", 0x80 | opcode, 0x80 | size, mask)
    elif size < 65536:
        head = struct.pack("!BBHI", 0x80 | opcode, 0x80 | 126, size, mask)
    else:
        head = struct.pack("!BBQI", 0x80 | opcode, 0x80 | 127, size, mask)
    key = (mask.to_bytes(4, "big") * (size // 4 + 1))[:size]
    return head + (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def text_frame(payload: bytes) -> bytes:
    """Return a server's frame, which is not masked."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | TEXT, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | TEXT, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | TEXT, 127, size) + payload


def request(host: str, path: str, nonce: bytes, headers: Mapping[str, str]) -> bytes:
    """Return the opening handshake; ``nonce`` is 16 bytes. No extension is offered."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {base64.b64encode(nonce).decode()}", "Sec-WebSocket-Version: 13"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def accepted(head: bytes, nonce: bytes) -> bool:
    """Return whether the response ``head``, without the empty line, accepts the handshake with ``nonce``."""
    status, *lines = head.split(b"\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    token = base64.b64encode(hashlib.sha1(base64.b64encode(nonce) + _GUID, usedforsecurity=False).digest())
    return (
        status.startswith(b"HTTP/1.1 101 ")
        and fields.get(b"sec-websocket-accept") == token
        and b"sec-websocket-extensions" not in fields
    )
