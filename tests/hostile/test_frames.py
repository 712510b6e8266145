"""Frames that are none, and valid ones cut in every way: the documented code, nothing in the log, nobody notices."""

import asyncio
import contextlib
import itertools
import json
import random
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

import pytest

from chat_core.limits import FRAGMENT_OVERHEAD
from stack.backends import Backend
from tests.hostile.conftest import Bystander, Footprint, Scales
from tests.hostile.fuzz import REPEAT, ROUNDS, chance
from tests.wire.people import signed
from tests.wire.raw import BINARY, CLOSE, PING, PONG, TEXT, RawPeer, Received, close_frame, frame

CONTROLS: Final = (CLOSE, PING, PONG)
LIMIT: Final = 64 * 1024
COMMAND: Final = b'{"type":"typing","ref":7,"room":"a"}'
MOST_GROWTH: Final = 64 * 1024 * 1024
"""Bytes by which a backend may grow under attack."""
AT_ONCE: Final = 24
MASK: Final = b"\x11\x22\x33\x44"

Case = tuple[str, bytes, set[int]]


def _raw(first: int, length: bytes, payload: bytes = b"") -> bytes:
    """A masked frame whose length is written as told; the mask is zero."""
    return bytes((first,)) + length + b"\0\0\0\0" + payload


def broken() -> Iterator[Case]:
    """Everything that the standard forbids: a name, bytes, and the codes that may answer them."""
    for reserved, opcode in itertools.product(range(1, 8), (TEXT, BINARY, *CONTROLS)):
        yield f"reserved bits {reserved} of {opcode}", frame(opcode, b"", reserved=reserved), {1002}
    for opcode, fin in itertools.product((*range(3, 8), *range(11, 16)), (True, False)):
        yield f"opcode {opcode}, fin {fin}", frame(opcode, b"", fin=fin), {1002}
    for opcode in CONTROLS:
        yield f"{opcode} in parts", frame(opcode, b"", fin=False), {1002}
        yield f"{opcode} too long", frame(opcode, b"a" * 126), {1002}
        yield f"{opcode} unmasked", frame(opcode, b"", masked=False), {1002}
        yield f"{opcode} claims 64 bits", _raw(0x80 | opcode, b"\xff" + b"\xff" * 8), {1002, 1009}
    for opcode in (TEXT, BINARY, 0):
        yield f"{opcode} unmasked", frame(opcode, b"{}", masked=False), {1002}
        yield f"{opcode} with the high bit", _raw(0x80 | opcode, b"\xff" + struct.pack("!Q", 1 << 63)), {1002, 1009}
    for size in (LIMIT + 1, 1 << 31, 1 << 32, (1 << 63) - 1):
        yield f"text claims {size}", _raw(0x81, b"\xff" + struct.pack("!Q", size), b" " * (LIMIT + 1)), {1009}
    yield "continuation of nothing", frame(0, b"a"), {1002}
    yield "text within a message", frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), {1002}
    yield "binary within a message", frame(TEXT, b"{", fin=False) + frame(BINARY, b"}"), {1002}
    yield "binary in parts", frame(BINARY, b"{", fin=False) + frame(0, b"}"), {1003}
    yield "too large in parts", frame(TEXT, b" " * LIMIT, fin=False) + frame(0, b" "), {1009}
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
        yield f"close with {code}", close_frame(code), {1002}
    yield "close with one byte", frame(CLOSE, b"\x03"), {1002}
    yield "close with a reason that is no text", close_frame(1000, b"\xff\xfe"), {1002, 1007}


def no_text() -> Iterator[Case]:
    """Bytes that are no UTF-8: whole, and cut at every place."""
    for bad in (
        b"\x80",
        b"\xc0\xaf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xe2\x82",
    ):
        text = b'"a' + bad + b'"'
        yield f"text {bad!r}", frame(TEXT, text), {1007}
        for at in range(1, len(text)):
            parts = frame(TEXT, text[:at], fin=False) + frame(PING, b"x") + frame(0, text[at:])
            yield f"text {bad!r} cut at {at}", parts, {1007}


def lying_lengths() -> Iterator[Case]:
    """Lengths in more bytes than they need: forbidden, but not every library minds. 0: it is taken as it is meant."""
    for length in (b"\xfe" + struct.pack("!H", len(COMMAND)), b"\xff" + struct.pack("!Q", len(COMMAND))):
        yield f"length as {length!r}", _raw(0x81, length, COMMAND), {1002, 0}


async def _in_turn(things: Iterable[Case], act: Callable[[Case], Awaitable[None]]) -> None:
    """Do ``act`` with all, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(thing: Case) -> None:
        async with gate:
            await act(thing)

    await asyncio.gather(*map(one, things))


async def _ending(peer: RawPeer) -> int:
    """The code that ends a connection; 0 where the next command is answered instead."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while (received := await peer.receive()).opcode != CLOSE:
            if received.opcode == TEXT and b'"ref":7' in received.payload:
                return 0
        return received.code
    return 1006


async def test_what_the_standard_forbids_closes_with_the_documented_code(
    wary: Backend, bystander: Bystander, scales: Scales
) -> None:
    before = await asyncio.to_thread(scales.weigh)
    wrong: list[str] = []

    async def attack(case: Case) -> None:
        name, data, expected = case
        peer = await RawPeer.open(wary.ws_url, signed().token)
        peer.write(data)
        if (code := await _ending(peer)) not in expected:
            wrong.append(f"{name}: {code}")
        await peer.close()

    await _in_turn([*broken(), *no_text(), *lying_lengths()], attack)
    assert not wrong, "\n".join(wrong)
    await _as_before(scales, before)
    assert bystander.posted


async def test_valid_message_is_understood_however_it_is_cut(wary: Backend) -> None:
    """Every way to cut a short message, with a ping in every gap; each ping is answered before the message is."""
    peer = await RawPeer.open(wary.ws_url, signed().token)
    message = b'{"a":0}'
    for cuts in itertools.product((False, True), repeat=len(message) - 1):
        places = [0, *(place for place, cut in enumerate(cuts, 1) if cut), len(message)]
        parts = [message[start:end] for start, end in itertools.pairwise(places)]
        data = b""
        for number, part in enumerate(parts):
            data += frame(0 if number else TEXT, part, fin=number == len(parts) - 1)
            data += frame(PING, b"%d" % number) if number < len(parts) - 1 else b""
        peer.write(data)
        for number in range(len(parts) - 1):
            assert await _next(peer) == Received(PONG, b"%d" % number)
        assert b'"malformed"' in (await _next(peer)).payload
        if sum(cuts) == len(cuts) // 2:  # before the refusals are too many
            await peer.close()
            peer = await RawPeer.open(wary.ws_url, signed().token)
    await peer.close()


@pytest.mark.parametrize("kind", ["whole", "in parts", "pings"])
async def test_frames_without_a_pause_are_understood_however_they_lie_in_the_reads(wary: Backend, kind: str) -> None:
    """More bytes than one message may take, back to back: hardly a read of the backend ends between two frames."""
    command = json.dumps({"type": "post", "ref": 7, "room": "a", "id": "i" * 20, "text": "x" * 3000}).encode()
    unit = {
        "whole": frame(TEXT, command),
        "in parts": frame(TEXT, command[:99], fin=False) + frame(PING, b"p") + frame(0, command[99:]),
        "pings": frame(PING, b"p" * 100) * 30,
    }[kind]
    peer = await RawPeer.open(wary.ws_url, signed().token)
    count = 2 * FRAGMENT_OVERHEAD * LIMIT // len(unit)
    peer.write(unit * count + frame(TEXT, b"{}"))
    answered = 0
    while b'"malformed"' not in (received := await peer.receive()).payload:
        assert received.opcode in (PING, PONG, TEXT), received
        answered += b'"ref":7' in received.payload
    assert answered == (0 if kind == "pings" else count)
    await peer.close()


async def _next(peer: RawPeer) -> Received:
    """The next frame but for the server's own pings."""
    while (received := await peer.receive()).opcode == PING:
        pass
    return received


async def test_floods_of_control_frames_take_no_memory(wary: Backend, bystander: Bystander, scales: Scales) -> None:
    """Pings whose answers nobody reads, pongs that nobody asked for, and fragments without bytes."""
    before = await asyncio.to_thread(scales.weigh)
    floods = [frame(PING, b"p" * 125) * 20, frame(PONG, b"q" * 125) * 20, frame(0, b"", fin=False) * 400]
    for flood in floods:
        peer = await RawPeer.open(wary.ws_url, signed().token, receive_buffer=4096)
        peer.write(frame(TEXT, b"", fin=False) if flood is floods[2] else b"")
        for _ in range(200 * ROUNDS):
            if not await peer.push(flood):
                break
        await peer.close()
    await _as_before(scales, before)
    assert bystander.posted


async def test_bytes_by_chance_end_in_a_documented_way(wary: Backend, bystander: Bystander, scales: Scales) -> None:
    before = await asyncio.to_thread(scales.weigh)
    source = chance("frames")
    cases = [(f"round {number}", _mutated(source), set[int]()) for number in range(150 * ROUNDS)]
    wrong: list[str] = []

    async def attack(case: Case) -> None:
        name, data, _ = case
        peer = await RawPeer.open(wary.ws_url, signed().token)
        peer.write(data)
        peer.write_eof()
        code = await _ending(peer)
        if code not in (0, 1000, 1002, 1003, 1005, 1006, 1007, 1009) and not 3000 <= code < 5000:
            wrong.append(f"{name}: {code} for {data!r}; {REPEAT}")
        assert await peer.at_end(), (name, REPEAT)
        await peer.close()

    await _in_turn(cases, attack)
    assert wrong == []
    await _as_before(scales, before)
    assert bystander.posted


def _mutated(source: random.Random) -> bytes:
    """Some valid frames, of which bits were turned, bytes taken out, put in, or sent twice."""
    data = bytearray()
    for _ in range(source.randrange(1, 6)):
        payload = source.choice(
            (COMMAND, b"", json.dumps({"type": "join", "ref": 1, "room": "a"}).encode(), b"\xff" * 9)
        )
        opcode = source.choice((TEXT, TEXT, TEXT, 0, BINARY, PING, PONG, CLOSE))
        data += frame(opcode, payload, fin=source.random() < 0.8, masked=source.random() < 0.95)
    for _ in range(source.randrange(0, 6)):
        at = source.randrange(len(data)) if data else 0
        match source.randrange(4):
            case 0 if data:
                data[at] ^= 1 << source.randrange(8)
            case 1:
                del data[at : at + source.randrange(1, 9)]
            case 2:
                data[at:at] = source.randbytes(source.randrange(1, 20))
            case _:
                data += data[at : at + 40]
    return bytes(data)


async def _as_before(scales: Scales, before: Footprint) -> None:
    """Wait until the backend holds no more than before."""
    await scales.until(lambda: not scales.weigh().left_over(before))
    assert scales.weigh().resident - before.resident < MOST_GROWTH
