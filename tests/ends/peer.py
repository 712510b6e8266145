"""A WebSocket peer on a bare socket, which may misbehave in every way that a test asks for."""

import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10


class Frame(NamedTuple):
    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        return int.from_bytes(self.payload[:2], "big")


class Peer:
    def __init__(self, port: int, receive_buffer: int | None = None, target: str = "/ws") -> None:
        self.socket = socket.socket()
        self.socket.settimeout(10)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self._read()
        self.response, _, self.buffer = self.buffer.partition(b"\r\n\r\n")

    def _read(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        return data

    def _take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.buffer += self._read()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def receive(self) -> Frame:
        """Return the next frame; raise EOFError at the end of the stream, ConnectionError where it was cut."""
        first, length = self._take(2)
        assert first & 0x70 == 0, "no extension was agreed on"
        if length == 126:
            length = int.from_bytes(self._take(2), "big")
        elif length == 127:
            length = int.from_bytes(self._take(8), "big")
        return Frame(first & 0x0F, self._take(length))

    def send(self, payload: bytes | str, opcode: int = TEXT, final: bool = True, mask: bool = True) -> None:
        self.socket.sendall(frame(payload, opcode, final, mask))

    def ask(self, text: str) -> Any:
        self.send(text)
        return json.loads(self.receive().payload)

    def close(self) -> None:
        self.socket.close()

    def ended(self, seconds: float) -> bool:
        """Whether the server ends the stream within ``seconds``; whatever comes before is read."""
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                self.socket.settimeout(left)
                self._read()
                self.buffer = b""
        except TimeoutError:
            return False
        except (EOFError, ConnectionError):
            return True
        return False


def frames_in(data: bytes) -> Iterator[Frame]:
    """Yield the frames that a server wrote; ``data`` ends with the last of them."""
    while data:
        start, length = 2, data[1]
        if length >= 126:
            start = {126: 4, 127: 10}[length]
            length = int.from_bytes(data[2:start], "big")
        yield Frame(data[0] & 0x0F, data[start : start + length])
        data = data[start + length :]


def frame(payload: bytes | str, opcode: int = TEXT, final: bool = True, mask: bool = True) -> bytes:
    """Return a frame as a client sends it."""
    data = payload.encode() if isinstance(payload, str) else payload
    key = os.urandom(4) if mask else b""
    head = bytes([opcode | (0x80 if final else 0)])
    masks = 0x80 if mask else 0
    if len(data) < 126:
        head += bytes([len(data) | masks])
    elif len(data) < 65536:
        head += struct.pack("!BH", 126 | masks, len(data))
    else:
        head += struct.pack("!BQ", 127 | masks, len(data))
    if mask:
        data = bytes(byte ^ key[index % 4] for index, byte in enumerate(data))
    return head + key + data
