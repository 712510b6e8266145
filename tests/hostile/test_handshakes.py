"""Handshakes and requests that are none: a status that says why or the end of the connection, and never an upgrade."""

import asyncio
import itertools
from typing import Final

from stack.backends import Backend
from tests.hostile.conftest import Bystander, Scales
from tests.wire.people import signed
from tests.wire.raw import TEXT, RawPeer, frame, handshake
from tests.wire.rest import Rest

REFUSED: Final = (400, 404, 405, 408, 414, 426, 431, 501, 505)
KEYS: Final = ("", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ==x", "A" * 5000, "\xff" * 24, "=" * 24)


def _head(url: str, **headers: str) -> bytes:
    return handshake(url, signed().token, **headers)


def _broken(url: str) -> dict[str, bytes]:
    """Requests that ask for an upgrade, or nearly so, and must not get one."""
    good = _head(url)
    found = {f"key {key[:30]!r}": _head(url, Sec_WebSocket_Key=key) for key in KEYS}
    found |= {
        f"version {value!r}": _head(url, Sec_WebSocket_Version=value) for value in ("", "12", "13, 14", "x", "-13")
    }
    found |= {
        "10,000 headers": good[:-2] + b"".join(b"X-%d: a\r\n" % number for number in range(10_000)) + b"\r\n",
        "a header of 1 MB": good[:-2] + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
        "a name of 100 KB": good[:-2] + b"a" * 100_000 + b": a\r\n\r\n",
        "an address of 100 KB": good.replace(b"/ws", b"/ws?" + b"a" * 100_000),
        "a NUL in a header": good[:-2] + b"X-A: a\x00b\r\n\r\n",
        "a header without a colon": good[:-2] + b"nonsense\r\n\r\n",
        "a folded header": good[:-2] + b"X-A: a\r\n b\r\n\r\n",
        "another method": good.replace(b"GET", b"POST"),
        "no method": good.replace(b"GET ", b""),
        "HTTP/1.0": good.replace(b"HTTP/1.1", b"HTTP/1.0"),
        "HTTP/9.9": good.replace(b"HTTP/1.1", b"HTTP/9.9"),
        "another address": good.replace(b"/ws", b"/api/rooms"),
    }
    return found


async def _status(backend: Backend, request: bytes) -> int:
    """The status of the answer; 0 where the connection ends without one."""
    peer = await RawPeer.dial(backend.ws_url)
    peer.write(request)
    peer.write_eof()
    answer = b""
    async with asyncio.timeout(10):
        while b"\r\n" not in answer and (data := await peer.read()):
            answer += data
    await peer.close()
    return int(answer.split(b" ", 2)[1]) if answer else 0


async def test_what_is_no_handshake_is_refused(wary: Backend, bystander: Bystander, scales: Scales, http: Rest) -> None:
    before = await asyncio.to_thread(scales.weigh)
    cases = _broken(wary.ws_url)
    statuses = await asyncio.gather(*(_status(wary, request) for request in cases.values()))
    wrong = {name: status for name, status in zip(cases, statuses, strict=True) if status not in (*REFUSED, 0)}
    assert wrong == {}
    assert statuses[0] == 400
    assert http.get(f"{wary.url}/healthz").status_code == 200
    await scales.until(lambda: not scales.weigh().left_over(before))
    assert bystander.posted


async def test_frames_before_the_answer_to_the_handshake_hurt_nobody(wary: Backend, bystander: Bystander) -> None:
    """Not allowed to a client, and what becomes of them is not said: but what comes after the answer is understood."""
    peers = [await RawPeer.dial(wary.ws_url) for _ in range(4)]
    early = frame(TEXT, b"{}")
    for peer, sent in zip(peers, (early, early * 100, early[:3], b"\xff" * 100), strict=True):
        status, _ = await peer.ask(_head(wary.ws_url) + sent)
        assert status == 101
    peer = peers[0]
    peer.command("typing", ref=5, room="a")
    assert (await peer.reply(5))["error"]["code"] == "not_joined"
    for peer in peers:
        await peer.close()
    assert bystander.posted


async def test_requests_cut_at_every_place_hurt_nobody(wary: Backend, bystander: Bystander, scales: Scales) -> None:
    before = await asyncio.to_thread(scales.weigh)
    request = _head(wary.ws_url)
    gate = asyncio.Semaphore(24)

    async def cut(place: int) -> None:
        async with gate:
            assert await _status(wary, request[:place]) in (0, 400, 408)

    await asyncio.gather(*map(cut, itertools.chain(range(1, len(request) - 1, 7))))
    await scales.until(lambda: not scales.weigh().left_over(before))
    assert bystander.posted
