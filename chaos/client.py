"""A chat client that behaves as docs/protocol.md asks, whatever happens to it, and writes down all of it.

It keeps its rooms joined: after a loss it comes back after a random time, on the other backend where there is one, and
resumes. It insists on what it writes: the same id again until the outcome is known.
"""

import asyncio
import json
import random
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from chaos.acts import WRITES, Place, place
from chaos.history import Json, Recorder
from chaos.membership import Membership
from chat_core.sessions import issue

ANSWER_WITHIN: Final = 3.0
"""Seconds after which a client takes a server that does not reply for dead."""
FIRST_BOUND: Final = 0.5
LAST_BOUND: Final = 2.0
"""Seconds: the bounds of the random time before a reconnect, doubling from the one to the other."""
DOUBT: Final = 0.15
"""How often a client repeats what it knows to be written."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a backend lets clients in."""

    name: str
    url: str


class Client:
    """One user with one connection at a time. ``pace`` scales the time before a reconnect."""

    def __init__(
        self, name: str, secret: str, doors: Sequence[Door], recorder: Recorder, rng: random.Random, pace: float = 1.0
    ) -> None:
        self.name = name
        self.token, session = issue(name, [secret], time.time())
        self.user = session.user.id
        self.rooms: dict[str, Membership] = {}
        self.retired = False
        self.recorder = recorder
        self._doors = list(doors)
        self.rng = rng
        self._pace = pace
        self._socket: ClientConnection | None = None
        self._connected = asyncio.Event()
        self._pending: dict[int, tuple[Json, asyncio.Future[Json | None]]] = {}
        self._ref = 0
        self._not_before = 0.0
        self._abandoned: list[ClientConnection] = []
        self._life: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._ended: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Connect, and stay so."""
        self._life = asyncio.create_task(self._stay_connected())

    async def stop(self) -> None:
        """Leave for good, without ceremony."""
        tasks = [*self._keepers.values(), *self._ended, *(task for task in (self._life, self._reading) if task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in (*self._abandoned, *([self._socket] if self._socket else [])):
            _transport(connection).abort()
            await connection.wait_closed()

    # ---- what a person does -----------------------------------------------------------------------------------------

    def join(self, room: str) -> None:
        """Become a member, and stay one."""
        self.rooms[room] = Membership(room, self.user)
        self._keepers[room] = asyncio.create_task(self._keep_joined(self.rooms[room]))

    async def leave(self, room: str) -> None:
        """Be a member no more."""
        keeper = self._keepers.pop(room)
        keeper.cancel()
        self._ended.add(keeper)
        keeper.add_done_callback(self._ended.discard)
        del self.rooms[room]
        if self._connected.is_set():
            await self._ask({"type": "leave", "room": room})

    async def insist(self, kind: str, room: str, id: str, **fields: Any) -> Place | str:
        """Write until the outcome is known: the place in the log, or the code of a refusal."""
        membership = self.rooms[room]
        while True:
            await membership.live.wait()
            if id in membership.written and not self._is_doubtful():
                return membership.written[id]
            reply = await self._ask({"type": kind, "room": room, "id": id, **fields})
            if reply is None:
                continue
            if result := reply.get("result"):
                if self._is_doubtful():
                    await self._ask({"type": kind, "room": room, "id": id, **fields})
                return place(result)
            code: str = reply["error"]["code"]
            if code == "unavailable":
                await asyncio.sleep(self.rng.uniform(0.05, 0.3))
                if self.rng.random() < 0.3 and membership.live.is_set():
                    membership.go_astray()  # resume first, as the protocol has it
            elif code == "not_joined":
                membership.go_astray()
            elif code == "rate_limited":
                await asyncio.sleep(reply["error"]["retry_after"])
            else:
                return code

    def _is_doubtful(self) -> bool:
        """Whether to send again what is known to be written, as one does who did not see it: it must change nothing."""
        return self.rng.random() < DOUBT

    def switch(self) -> None:
        """Go to the other backend."""
        self._doors.append(self._doors.pop(0))
        self.hang_up()

    def hang_up(self) -> None:
        """Close in order."""
        if connection := self._let_go():
            closing = asyncio.create_task(connection.close())
            self._abandoned.append(connection)
            closing.add_done_callback(lambda _: self._abandoned.remove(connection))

    def cut(self) -> None:
        """Lose the connection: TCP is reset."""
        if connection := self._let_go():
            _reset(connection)

    def vanish(self) -> None:
        """Lose the connection without a word: it stays open, and nobody reads or answers any more."""
        if connection := self._let_go():
            _transport(connection).pause_reading()
            self._abandoned.append(connection)

    def retire(self) -> None:
        """Lose the connection, and do not come back."""
        self.retired = True
        self.cut()
        for task in (*self._keepers.values(), *([self._life] if self._life else [])):
            task.cancel()

    # ---- the connection ---------------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            bound = min(FIRST_BOUND * 2**failures, LAST_BOUND) * self._pace
            await asyncio.sleep(max(self._not_before - time.monotonic(), self.rng.uniform(0, bound)))
            try:
                connection = await self._open()
            except (OSError, InvalidHandshake, TimeoutError, ConnectionClosed) as error:
                failures += 1
                self._put_off(error)
                self._doors.append(self._doors.pop(0))
                continue
            failures = 0
            self._reading = asyncio.create_task(self._converse(connection))
            await asyncio.wait([self._reading])
            if not self._reading.cancelled():
                self._reading.result()
            if self._socket is connection:
                self._lost(connection.close_code or 1006, by="server")

    async def _open(self) -> ClientConnection:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = self._doors[0].url
        options: Json = {"compression": None, "proxy": None, "ping_interval": None, "max_size": None}
        async with asyncio.timeout(ANSWER_WITHIN):
            return await open_socket(url, additional_headers=headers, close_timeout=2, **options)

    def _put_off(self, error: Exception) -> None:
        if isinstance(error, InvalidStatus) and (after := error.response.headers.get("Retry-After")):
            self._not_before = time.monotonic() + float(after) * self._pace

    async def _converse(self, connection: ClientConnection) -> None:
        self._socket, self._ref, self._not_before = connection, 0, 0.0
        what = {"user": self.user, "name": self.name, "to": self._doors[0].name}
        self.recorder.note("connect", what)
        self._connected.set()
        with suppress(ConnectionClosed):
            async for text in connection:
                frame = json.loads(text)
                self.recorder.note("receive", frame, str(text))
                self._take(frame)

    def _let_go(self) -> ClientConnection | None:
        connection = self._socket
        if connection:
            self._lost(1006, by="client")
            if self._reading:
                self._reading.cancel()
        return connection

    def _lost(self, code: int, by: str) -> None:
        self._socket = None
        self._connected.clear()
        self.recorder.note("lost", {"code": code, "by": by})
        pending, self._pending = self._pending, {}
        for _, reply in pending.values():
            if not reply.done():
                reply.set_result(None)
        for membership in self.rooms.values():
            membership.go_astray()

    # ---- rooms ------------------------------------------------------------------------------------------------------

    async def _keep_joined(self, membership: Membership) -> None:
        while True:
            await membership.astray.wait()
            await self._connected.wait()
            membership.asking()
            since = {"since": membership.since} if membership.since else {}
            reply = await self._ask({"type": "join", "room": membership.room, **since})
            if reply is None or "error" in reply:
                await asyncio.sleep(self.rng.uniform(0.05, 0.3))

    async def _ask(self, frame: Json) -> Json | None:
        """Return the reply; None where the connection was lost before, or given up for it."""
        connection = self._socket
        if connection is None:
            await asyncio.sleep(0)
            return None
        self._ref += 1
        frame = {**frame, "ref": self._ref}
        if frame["type"] == "join":
            self.rooms[frame["room"]].asked_ref = self._ref
        reply: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._pending[self._ref] = frame, reply
        self.recorder.note("send", frame)
        with suppress(ConnectionClosed):
            await connection.send(json.dumps(frame))
        try:
            return await asyncio.wait_for(reply, ANSWER_WITHIN)
        except TimeoutError:
            if self._socket is connection:
                self.cut()
            return None

    def _take(self, frame: Json) -> None:
        kind, membership = frame["type"], self.rooms.get(frame.get("room", ""))
        if kind == "reply":
            self._take_reply(frame)
        elif kind == "notice" and frame["notice"] == "draining":
            self._not_before = time.monotonic() + frame["reconnect_in"]
        elif membership is None:
            return
        elif kind in WRITES.values():
            membership.pushed(frame)
        elif kind == "replay":
            membership.replayed(frame)
        elif kind == "reset":
            membership.reset()
        elif kind == "presence":
            membership.presence(frame)

    def _take_reply(self, frame: Json) -> None:
        command, reply = self._pending.pop(frame["ref"], ({}, None))
        membership = self.rooms.get(command.get("room", ""))
        if membership and command["type"] == "join" and membership.asked_ref == frame["ref"] and "result" in frame:
            membership.joined(frame["result"])
        if reply and not reply.done():
            reply.set_result(frame)


def _transport(connection: ClientConnection) -> asyncio.Transport:
    return connection.transport


def _reset(connection: ClientConnection) -> None:
    """End the TCP connection by a reset instead of a FIN."""
    if raw := connection.transport.get_extra_info("socket"):
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()
