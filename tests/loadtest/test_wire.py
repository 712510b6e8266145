import base64
import hashlib
import selectors
import socket
import struct

import pytest

from chat_core.codec import text_frame
from loadtest import wire
from loadtest.connection import Connection
from loadtest.ledger import Ledger
from loadtest.reference import Reference


def unmasked(frame: bytes) -> bytes:
    size, body = frame[1] & 0x7F, 2
    if size == 126:
        size, body = struct.unpack("!H", frame[2:4])[0], 4
    elif size == 127:
        size, body = struct.unpack("!Q", frame[2:10])[0], 10
    key, masked = frame[body : body + 4], frame[body + 4 :]
    assert len(masked) == size
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(masked))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70_001])
def test_frames_of_any_size_are_read_and_written(size: int) -> None:
    payload = bytes(i % 251 for i in range(size))
    frame = wire.frame_at(text_frame(payload), 0)
    assert frame == (wire.TEXT, payload, text_frame(payload))
    written = wire.encode(wire.TEXT, payload, 0xDEADBEEF)
    assert written[0] == 0x81
    assert written[1] & 0x80
    assert unmasked(written) == payload


@pytest.mark.parametrize("size", [5, 200, 65536])
def test_no_frame_before_its_last_byte(size: int) -> None:
    whole = text_frame(b"x" * size)
    cuts = [*range(12), *range(len(whole) - 12, len(whole))]
    assert all(wire.frame_at(whole[:cut], 0) is None for cut in cuts if 0 <= cut < len(whole))


@pytest.mark.parametrize(
    "data",
    [b"\x82\x01x", b"\x01\x01x", b"\x80\x01x", b"\xc1\x01x", b"\x81\x81abcdx", b"\x81\x7f" + b"\xff" * 8, b"HTTP/1.1"],
    ids=["binary", "fragment", "continuation", "compressed", "masked", "too long", "no frame at all"],
)
def test_what_no_server_may_send_is_broken(data: bytes) -> None:
    with pytest.raises(wire.BrokenStream):
        wire.frame_at(data, 0)


def test_handshake_is_accepted_only_with_the_right_answer() -> None:
    nonce = b"0123456789abcdef"
    request = wire.request("127.0.0.1:1", "/ws", nonce, {"Authorization": "Bearer x"})
    assert request.startswith(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:1\r\n")
    assert b"Sec-WebSocket-Extensions" not in request
    assert b"\r\nAuthorization: Bearer x\r\n\r\n" in request
    key = base64.b64encode(nonce) + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    token = base64.b64encode(hashlib.sha1(key, usedforsecurity=False).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: " + token
    assert wire.accepted(head, nonce)
    assert not wire.accepted(head.replace(b"101", b"200"), nonce)
    assert not wire.accepted(head, b"another nonce !!")
    assert not wire.accepted(head + b"\r\nSec-WebSocket-Extensions: permessage-deflate", nonce)


def test_beyond_the_ports_of_one_address_there_is_another() -> None:
    """20,000 connections from each address of the loopback: the 20,001st comes from the next one."""
    with socket.create_server(("127.0.0.1", 0)) as listener, selectors.DefaultSelector() as selector:
        address = ("127.0.0.1", listener.getsockname()[1])
        seen = []
        for number in (0, 19_999, 20_000, 45_000):
            reference = Reference("r", Ledger(0.1))
            member = Connection(number, reference, address, {}, selector, memoryview(bytearray(10)))
            peer, (source, _) = listener.accept()
            seen.append(source)
            member.close("enough")
            peer.close()
    assert seen == ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"]
