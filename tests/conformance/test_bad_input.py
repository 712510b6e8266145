"""Whatever a client sends, it gets the documented answer, and nobody else notices."""

import asyncio
import json

import pytest

from stack.backends import Backend
from tests.conformance.conftest import Dial, Enter, SignIn
from tests.wire.raw import BINARY, CLOSE, PING, PONG, TEXT, RawPeer, close_frame, frame
from tests.wire.rest import Rest

LIMIT = 64 * 1024

MALFORMED = {
    "nothing": b"",
    "not-json": b"hello",
    "cut-off": b'{"type":"post","ref":1',
    "two-values": b"{}{}",
    "null": b"null",
    "number": b"7",
    "array": b"[]",
    "string": b'"post"',
    "no-type": b'{"ref":1,"room":"a"}',
    "unknown-type": b'{"type":"shout","ref":1,"room":"a"}',
    "type-not-text": b'{"type":["post"],"ref":1,"room":"a"}',
    "push-type": b'{"type":"message","ref":1,"room":"a"}',
    "missing-room": b'{"type":"join","ref":1}',
    "missing-text": b'{"type":"post","ref":1,"room":"a","id":"a"}',
    "missing-ref": b'{"type":"join","room":"a"}',
    "ref-text": b'{"type":"join","ref":"1","room":"a"}',
    "ref-negative": b'{"type":"join","ref":-1,"room":"a"}',
    "ref-true": b'{"type":"join","ref":true,"room":"a"}',
    "ref-fraction": b'{"type":"join","ref":1.5,"room":"a"}',
    "ref-huge": b'{"type":"join","ref":9007199254740992,"room":"a"}',
    "ref-endless": b'{"type":"join","ref":' + b"9" * 5000 + b',"room":"a"}',
    "ref-infinite": b'{"type":"join","ref":1e999,"room":"a"}',
    "not-a-number": b'{"type":"join","ref":NaN,"room":"a"}',
    "id-with-space": b'{"type":"post","ref":1,"room":"a","id":"a b","text":"a"}',
    "id-too-long": b'{"type":"post","ref":1,"room":"a","id":"' + b"a" * 65 + b'","text":"a"}',
    "since-half": b'{"type":"join","ref":1,"room":"a","since":{"offset":1}}',
    "since-negative": b'{"type":"join","ref":1,"room":"a","since":{"epoch":"0123456789abcdef","offset":-1}}',
    "since-text": b'{"type":"join","ref":1,"room":"a","since":"0123456789abcdef:1"}',
    "since-huge": b'{"type":"join","ref":1,"room":"a","since":{"epoch":"0123456789abcdef","offset":1e300}}',
    "on-number": b'{"type":"react","ref":1,"room":"a","id":"a","target":{"epoch":"0123456789abcdef","offset":1},'
    b'"emoji":"x","on":1}',
    "arrays-in-arrays": b"[" * 60_000,
    "objects-in-objects": b'{"a":' * 10_000,
    "deep-text": b'{"type":"post","ref":1,"room":"a","id":"a","text":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "surrogate-key": b'{"\\ud800":1}',
    "many-keys": b"{" + b",".join(b'"k%d":0' % number for number in range(5000)) + b"}",
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_what_is_no_command_is_malformed(case: str, lone: Backend, enter: Enter) -> None:
    ada = await enter(lone)
    await ada.send(MALFORMED[case].decode())
    await ada.until(lambda: ada.loose)
    (reply,) = ada.loose
    assert reply.error is not None
    assert reply.error.code == "malformed"
    assert len(reply.error.message) < 300
    assert reply.ref == _ref(MALFORMED[case])
    assert await ada.refused("typing", room="a") == "not_joined", "the connection goes on"


def _ref(frame: bytes) -> int | None:
    """The ref that a reply to ``frame`` can have: a whole number that JavaScript can hold."""
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    ref = value.get("ref") if isinstance(value, dict) else None
    return ref if type(ref) is int and 0 <= ref < 2**53 else None


async def test_unknown_fields_are_ignored(lone: Backend, room: str, enter: Enter) -> None:
    ada = await enter(lone)
    assert (await ada.command("join", room=room, colour="red", nested={"a": [1, 2, 3]})).error is None


FATAL = {
    "binary": (frame(BINARY, b"\x00\x01"), 1003),
    "binary-empty": (frame(BINARY), 1003),
    "invalid-utf8": (frame(TEXT, b"\xff\xfe"), 1007),
    "surrogate-in-utf8": (frame(TEXT, b'"\xed\xa0\x80"'), 1007),
    "invalid-utf8-in-parts": (frame(TEXT, b'"\xf0\x9f', fin=False) + frame(0, b'\x28\x80"'), 1007),
    "unmasked": (frame(TEXT, b"{}", masked=False), 1002),
    "reserved-bit-1": (frame(TEXT, b"{}", reserved=4), 1002),
    "reserved-bit-3": (frame(TEXT, b"{}", reserved=1), 1002),
    "reserved-opcode": (frame(0x3, b"{}"), 1002),
    "reserved-control-opcode": (frame(0xB), 1002),
    "continuation-of-nothing": (frame(0, b"{}"), 1002),
    "text-within-a-message": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "ping-in-parts": (frame(PING, b"a", fin=False), 1002),
    "ping-too-long": (frame(PING, b"a" * 126), 1002),
    "close-with-one-byte": (frame(CLOSE, b"\x03"), 1002),
    "close-with-a-forbidden-code": (close_frame(1005), 1002),
    "close-with-code-0": (close_frame(0), 1002),
    "too-large": (frame(TEXT, b" " * (LIMIT + 1)), 1009),
    "too-large-in-bytes": (frame(TEXT, json.dumps("🦜" * (LIMIT // 4), ensure_ascii=False).encode()), 1009),
    "too-large-in-parts": (b"".join(frame(TEXT if n == 0 else 0, b" " * 30_000, fin=False) for n in range(3)), 1009),
    "too-large-and-endless": (frame(TEXT, b" " * (LIMIT + 1), size=2**40), 1009),
    "larger-than-anything": (frame(TEXT, b"", size=2**63), 1002),
}


@pytest.mark.parametrize("case", FATAL)
async def test_broken_frames_close_the_connection_with_the_documented_code(
    case: str, lone: Backend, room: str, enter: Enter, dial: Dial
) -> None:
    sent, code = FATAL[case]
    bystander, peer = await enter(lone, room), await dial(lone)
    peer.command("join", room=room)
    await peer.reply()
    peer.write(sent)
    expected = {code, 1009} if case == "larger-than-anything" else {code}
    assert await peer.close_code() in expected
    peer.write(close_frame(code))
    assert await peer.at_end()
    after = await bystander.post(room, "unmoved")
    await bystander.reached(room, after)


async def test_a_frame_of_exactly_the_limit_is_taken(lone: Backend, room: str, enter: Enter, dial: Dial) -> None:
    peer = await dial(lone)
    command = json.dumps({"type": "join", "ref": 1, "room": room}).encode()
    peer.write(frame(TEXT, command + b" " * (LIMIT - len(command))))
    assert "result" in await peer.reply()
    text = json.dumps({"type": "post", "ref": 2, "room": room, "id": "a", "text": ""}).encode()
    peer.write(frame(TEXT, text[:-2] + b"x" * (LIMIT - len(text)) + text[-2:]))
    assert (await peer.reply(2))["error"]["code"] == "too_long"


async def test_messages_in_parts_and_pings_between_them_are_understood(lone: Backend, room: str, dial: Dial) -> None:
    peer = await dial(lone)
    command = json.dumps({"type": "join", "ref": 1, "room": room}).encode()
    parts = [frame(TEXT, command[:1], fin=False)]
    parts += [frame(0, command[at : at + 1], fin=False) + frame(0, fin=False) for at in range(1, len(command))]
    peer.write(b"".join([*parts, frame(PING, b"are you there?"), frame(0)]))
    pong = await peer.receive()
    assert (pong.opcode, pong.payload) == (PONG, b"are you there?")
    assert "result" in await peer.reply()
    for byte in frame(TEXT, b'{"type":"leave","ref":2,"room":"%s"}' % room.encode()):
        peer.write(bytes((byte,)))
        await asyncio.sleep(0)
    assert "result" in await peer.reply(2)


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_close_is_answered_with_its_code(code: int, lone: Backend, dial: Dial) -> None:
    peer = await dial(lone)
    peer.write(close_frame(code, "bye 👋".encode()))
    assert await peer.close_code() == code
    assert await peer.at_end()


async def test_a_close_without_a_code_is_answered(lone: Backend, dial: Dial) -> None:
    peer = await dial(lone)
    peer.write(frame(CLOSE))
    assert await peer.close_code() in (1000, 1005)
    assert await peer.at_end()


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00" * 1000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x07" * 500,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na",
        b"POST /api/session HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\nCookie: \xff=\xfe\r\nOrigin: http://[::1\r\n\r\n",
    ],
    ids=[
        "zeros",
        "tls",
        "version",
        "long-target",
        "many-headers",
        "negative-length",
        "no-chunk",
        "chunk-too-long",
        "chunk-too-large",
        "chunk-negative",
        "chunks-without-end",
        "not-ascii",
    ],
)
async def test_what_is_no_request_hurts_nobody(request_: bytes, lone: Backend, http: Rest) -> None:
    peer = await RawPeer.dial(lone.ws_url)
    peer.write(request_)
    peer.write_eof()
    assert await peer.at_end()
    await peer.close()
    assert http.get(f"{lone.url}/healthz").status_code == 200


@pytest.mark.parametrize(
    "path", ["/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2fpyproject.toml", "//etc/passwd", "/%00"]
)
def test_no_file_outside_the_client_is_given_out(path: str, lone: Backend, http: Rest) -> None:
    answer = http.get(lone.url + path)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text
    assert "[project]" not in answer.text


async def test_peers_that_never_answer_a_close_slow_nobody(
    lone: Backend, room: str, enter: Enter, dial: Dial, sign_in_at: SignIn, http: Rest
) -> None:
    bystander = await enter(lone, room)
    mute = [await dial(lone, person=sign_in_at(lone, "Mute")) for _ in range(10)]
    for peer in mute:
        peer.write(frame(BINARY, b"close me"))
    for peer in mute:
        assert await peer.close_code() == 1003
    for number in range(10):
        answer = await asyncio.to_thread(http.get, f"{lone.url}/healthz", timeout=0.5)
        assert answer.status_code == 200
        await bystander.post(room, f"{number}")
    ends = await asyncio.gather(*(peer.at_end(within=12) for peer in mute))
    assert all(ends), "the server gives up on them by itself"
