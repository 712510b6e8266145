"""A WebSocket client that can be as wrong as it likes: it writes bytes and reads frames."""

import asyncio
import contextlib
import json
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
PATIENCE = 5.0


@dataclass(frozen=True)
class Received:
    """One frame from the server."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a close frame; 1005 where it has none."""
        return int(struct.unpack("!H", self.payload[:2])[0]) if len(self.payload) >= 2 else 1005


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    size: int | None = None,
) -> bytes:
    """Return a frame; ``size`` is the length that it claims."""
    claimed = len(payload) if size is None else size
    mask_bit = 0x80 if masked else 0
    head = bytes((fin << 7 | reserved << 4 | opcode,))
    if claimed < 126:
        head += bytes((mask_bit | claimed,))
    elif claimed < 65536:
        head += struct.pack("!BH", mask_bit | 126, claimed)
    else:
        head += struct.pack("!BQ", mask_bit | 127, claimed)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    stream = (mask * (len(payload) // 4 + 1))[: len(payload)]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(payload), "big")
    return head + mask + body


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """Return a close frame."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


def handshake(url: str, token: str | None = None, *, without: str = "", **headers: str) -> bytes:
    """Return the request that opens a WebSocket, ``without`` one of its headers and with others."""
    parts = urlsplit(url)
    fields = {
        "Host": parts.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **({"Authorization": f"Bearer {token}"} if token else {}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    fields.pop(without, None)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"GET {parts.path} HTTP/1.1\r\n{lines}\r\n".encode()


class RawPeer:
    """A TCP connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def dial(cls, url: str, receive_buffer: int = 0) -> Self:
        """Connect, and say nothing. With a small ``receive_buffer`` (bytes) the server notices when nobody reads."""
        parts = urlsplit(url)
        connection = socket.socket()
        connection.setblocking(False)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(connection, (parts.hostname, parts.port))
        return cls(*await asyncio.open_connection(sock=connection, limit=receive_buffer or 65536))

    @classmethod
    async def open(cls, url: str, token: str, receive_buffer: int = 0) -> Self:
        """Connect and open a WebSocket."""
        peer = await cls.dial(url, receive_buffer)
        status, _ = await peer.ask(handshake(url, token))
        assert status == 101, status
        return peer

    async def ask(self, request: bytes) -> tuple[int, dict[str, str]]:
        """Send a request and return the answer's status and headers, names in lower case."""
        self.write(request)
        async with asyncio.timeout(PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        return int(lines[0].split(" ")[1]), {name.lower(): value for name, value in headers.items()}

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    async def read(self) -> bytes:
        """Return what comes next; nothing at the end of the connection."""
        try:
            return await self._reader.read(65536)
        except ConnectionError:
            return b""

    async def push(self, data: bytes, within: float = 0.5) -> bool:
        """Send bytes and wait until the kernel has taken them; False where it does not."""
        self._writer.write(data)
        try:
            async with asyncio.timeout(within):
                await self._writer.drain()
        except (TimeoutError, ConnectionError):
            return False
        return True

    def pause_reading(self) -> None:
        """Take nothing from the kernel any more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    @property
    def connection(self) -> Any:
        """The socket, as far as asyncio shows it."""
        return self._writer.get_extra_info("socket")

    def write_eof(self) -> None:
        """Say that nothing more will be sent."""
        with contextlib.suppress(OSError):  # the server was faster
            self._writer.write_eof()

    def command(self, kind: str, ref: int = 1, **fields: Any) -> None:
        """Send a command in order."""
        self.write(frame(TEXT, json.dumps({"type": kind, "ref": ref, **fields}).encode()))

    async def receive(self, within: float = PATIENCE) -> Received:
        """Return the next frame; EOFError at the end of the connection."""
        async with asyncio.timeout(within):
            first, second = await self._exactly(2)
            assert not second & 0x80, "a server does not mask"
            assert not first & 0x70, "no extension was agreed on"
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(await self._exactly(2 if size == 126 else 8), "big")
            return Received(first & 0x0F, await self._exactly(size))

    async def reply(self, ref: int | None = 1) -> dict[str, Any]:
        """Return the reply with that ref, passing over what comes before it."""
        while True:
            received = await self.receive()
            assert received.opcode == TEXT, received
            value: dict[str, Any] = json.loads(received.payload)
            if value["type"] == "reply" and value["ref"] == ref:
                return value

    async def close_code(self, within: float = PATIENCE) -> int:
        """Read until the server's close frame and return its code; 1006 where the connection ends without one."""
        try:
            while (received := await self.receive(within)).opcode != CLOSE:
                pass
        except (EOFError, ConnectionError):
            return 1006
        return received.code

    async def at_end(self, within: float = PATIENCE) -> bool:
        """Read until the connection ends."""
        async with asyncio.timeout(within):
            try:
                while await self._reader.read(65536):
                    pass
            except ConnectionError:
                pass
        return True

    async def close(self) -> None:
        """Let the connection go, without ceremony."""
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _exactly(self, size: int) -> bytes:
        return await self._reader.readexactly(size)
