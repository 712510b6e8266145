"""Requests that do not come to an end: each is given up, and while they last nobody else waits."""

import asyncio
import json
import time

from stack.backends import Backend
from tests.hostile.conftest import HANDSHAKE, PATIENCE, Bystander, Scales
from tests.wire.client import Chat
from tests.wire.people import signed
from tests.wire.raw import RawPeer, handshake
from tests.wire.rest import Rest

POST = b"POST /api/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
CHUNKED = (
    b"POST /api/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
UNFINISHED = {
    "nothing": b"",
    "half-a-word": b"GE",
    "half-a-head": b"GET /healthz HTTP/1.1\r\nHost: a\r\n",
    "half-a-handshake": handshake("ws://a/ws")[:-30],
    "half-a-body": POST + b'{"name": "',
    "half-a-chunk": CHUNKED + b"ff\r\n{",
}

HEADS = ("half-a-word", "half-a-head", "half-a-handshake")


async def _answer(peer: RawPeer) -> bytes:
    """What comes until the connection ends."""
    answer = b""
    async with asyncio.timeout(PATIENCE):
        while data := await peer.read():
            answer += data
    return answer


async def test_requests_that_do_not_come_to_an_end_are_given_up(wary: Backend) -> None:
    began = time.monotonic()
    answers = await asyncio.gather(*(_say(wary, start) for start in UNFINISHED.values()))
    assert HANDSHAKE * 0.9 < time.monotonic() - began < HANDSHAKE + 3
    for case, answer in zip(UNFINISHED, answers, strict=True):
        head, _, body = answer.partition(b"\r\n\r\n")
        if case == "nothing" or (case in HEADS and wary.profile.name == "sync-gevent"):
            assert (case, answer) == (case, b"")
        else:
            assert (case, head.split(b" ", 2)[1]) == (case, b"408")
            assert json.loads(body)["type"] == "urn:tandem:problem:too_slow"


async def _say(backend: Backend, start: bytes) -> bytes:
    peer = await RawPeer.dial(backend.ws_url)
    peer.write(start)
    answer = await _answer(peer)
    await peer.close()
    return answer


async def test_dribble_is_given_up_and_so_is_the_second_request_of_a_connection(wary: Backend) -> None:
    began = time.monotonic()
    await asyncio.gather(_dribble(wary), _begin_another(wary))
    assert time.monotonic() - began < HANDSHAKE + 3


async def _dribble(backend: Backend) -> None:
    """Send a head byte by byte: each comes in time, the whole does not."""
    peer = await RawPeer.dial(backend.ws_url)
    ended = asyncio.create_task(_answer(peer))
    for byte in handshake(backend.ws_url, signed().token) * 10:
        if ended.done():
            break
        peer.write(bytes((byte,)))
        await asyncio.sleep(0.05)
    await ended
    await peer.close()


async def _begin_another(backend: Backend) -> None:
    peer = await RawPeer.dial(backend.ws_url)
    assert (await peer.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200
    peer.write(b"GET /healthz HTTP/1.1\r\nHo")
    await _answer(peer)
    await peer.close()


async def test_slow_but_finished_request_is_answered(wary: Backend) -> None:
    peer = await RawPeer.dial(wary.ws_url)
    request = handshake(wary.ws_url, signed().token)
    for at in range(0, len(request) - 40, 40):
        peer.write(request[at : at + 40])
        await asyncio.sleep(0.02)
    status, _ = await peer.ask(request[at + 40 :])
    assert status == 101
    await peer.close()


async def test_hundreds_of_slow_requests_hold_up_nobody(
    wary: Backend, bystander: Bystander, scales: Scales, http: Rest
) -> None:
    before = await asyncio.to_thread(scales.weigh)
    given_up = scales.metric("chat_slow_requests_total")
    peers = [await RawPeer.dial(wary.ws_url) for _ in range(240)]
    for peer, start in zip(peers, list(UNFINISHED.values()) * 40, strict=True):
        peer.write(start)
    answers = [asyncio.create_task(_answer(peer)) for peer in peers]
    served = 0
    while not any(answer.done() for answer in answers):
        assert (await asyncio.to_thread(http.get, f"{wary.url}/healthz", timeout=5)).status_code == 200
        chat = await Chat.connect(wary.ws_url, signed().token)
        await chat.close()
        served += not any(answer.done() for answer in answers)
    await asyncio.gather(*answers)
    assert served, "they waited until the slow ones were given up"
    for peer in peers:
        await peer.close()
    await scales.until(lambda: not scales.weigh().left_over(before))
    if wary.profile.name != "sync-gevent":
        assert scales.metric("chat_slow_requests_total") >= given_up + 240
    assert bystander.posted
