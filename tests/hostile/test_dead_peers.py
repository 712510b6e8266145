"""Peers that are no longer there, or do not do their part: all are gone within a bound, and nothing is left of them."""

import asyncio
import ctypes
import os
import socket
import struct
import time
from typing import Any, Final

import pytest

from chat_core.presence import GRACE
from stack.backends import Backend
from tests.hostile.conftest import PING, Bystander, Scales
from tests.wire.client import Chat, Message
from tests.wire.people import Person, fresh_room, signed
from tests.wire.raw import RawPeer
from tests.wire.rest import Rest
from tests.wire.servers import Servers

SO_ATTACH_FILTER: Final = 26
EACH: Final = 5
PROFILES: Final = ("async", "async-portable", "sync", "sync-gevent")


def vanish(connection: Any) -> None:
    """From now on the kernel drops what comes for this connection, unacknowledged: as if its machine had gone."""
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0 bytes
    program = struct.pack("HL", 1, ctypes.addressof(drop_all))
    connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


async def _silent(backend: Backend, person: Person, room: str) -> RawPeer:
    """A peer that reads, and never answers a ping."""
    peer = await RawPeer.open(backend.ws_url, person.token)
    peer.command("join", room=room)
    await peer.reply()
    return peer


async def _vanished(backend: Backend, person: Person, room: str) -> RawPeer:
    """A peer whose machine is gone: no FIN, no RST, no ACK."""
    peer = await _silent(backend, person, room)
    vanish(peer.connection)
    return peer


async def _unreading(backend: Backend, person: Person, room: str) -> RawPeer:
    """A peer that joins and never reads anything: its window shuts."""
    peer = await RawPeer.open(backend.ws_url, person.token, receive_buffer=4096)
    peer.pause_reading()
    peer.command("join", room=room)
    return peer


KINDS: Final = (_silent, _vanished, _unreading)


async def _end_all(backend: Backend, scales: Scales, http: Rest, room: str, chat: Chat, bound: float) -> float:
    """Let peers of every kind join and die, with and without traffic; return the seconds until nothing is left."""

    async def members() -> int:
        answer = await asyncio.to_thread(http.get, f"{backend.url}/api/rooms/{room}/members", headers=signed().headers)
        return int(answer.json()["count"])

    while (alone := await members()) != 1:  # noqa: ASYNC110 - it is told about once a second
        await asyncio.sleep(0.05)
    before = await asyncio.to_thread(scales.weigh)
    peers = [await kind(backend, signed(name="Gone"), room) for kind in KINDS for _ in range(EACH)]
    began = time.monotonic()
    for _ in range(20):
        await chat.post(room, "x" * 4000)  # into windows that are shut
    while await members() > alone:
        assert time.monotonic() - began < bound, f"{await members() - alone} are still said to be there"
        await asyncio.sleep(0.2)
    await scales.until(lambda: not scales.weigh().left_over(before), bound - (time.monotonic() - began))
    took = time.monotonic() - began
    for peer in peers:
        await peer.close()
    assert scales.weigh().threads < before.threads + EACH, "a thread of each kind of peer is left"
    return took


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the filter that lets a peer vanish is Linux's")
async def test_dead_peers_are_gone_in_time_and_leave_nothing(
    wary: Backend, bystander: Bystander, scales: Scales, http: Rest
) -> None:
    chat = await Chat.connect(wary.ws_url, signed(name="Ann").token)
    room = fresh_room()
    await chat.join(room)
    await _end_all(wary, scales, http, room, chat, 2.5 * PING + 2 + GRACE + 4)
    await chat.expect(Message, lambda message: len(message.text or "") == 4000)
    await chat.close()
    assert bystander.posted


@pytest.mark.skipif("FUZZ_ROUNDS" not in os.environ, reason="takes a minute per profile: make fuzz")
@pytest.mark.parametrize("profile", PROFILES)
async def test_with_default_settings_dead_peers_are_gone_within_a_minute(
    profile: str, servers: Servers, http: Rest
) -> None:
    if not servers.redis.running:
        servers.redis.start()
    with servers.unstarted(profile, settings={"CHAT_HANDSHAKE_TIMEOUT": "10"}) as backend:
        chat = await Chat.connect(backend.ws_url, signed(name="Ann").token)
        room = fresh_room()
        await chat.join(room)
        took = await _end_all(backend, Scales(backend, servers, http), http, room, chat, 60)
        print(f"{profile}: dead peers were gone after {took:.1f} s")
        await chat.close()
