"""People who hold the servers to their promise: they post, read, come back when cut off, and keep the books.

Each member follows docs/protocol.md as the browser does: it joins with the position that it has, takes what it missed,
sends again what may not have arrived. What it then sees at wrong places, twice or not at all is a broken promise.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from loadtest import wire
from loadtest.histogram import Histogram
from loadtest.monitor.acts import LATE

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 2.0
"""Seconds between two attempts to connect: jittered, as the browser does."""
ANSWER_WITHIN: Final = 10.0
"""Seconds after which a handshake or a join counts as lost."""
RESEND_AFTER: Final = 1.0
CATCH_UP: Final = 2.0
"""Seconds that a member has to read what lay there while it did not."""


@dataclass(slots=True)
class Post:
    """A message of ours. ``due`` is monotonic seconds; ``place`` is epoch and offset where it was acknowledged."""

    id: str
    due: float
    sent: int = 0
    place: tuple[str, int] | None = None
    seen: set[tuple[str, int]] = field(default_factory=set)


@dataclass
class Books:
    """What one side was asked and what came of it.

    Counts go on for ever; ``latency`` is that of this second, ``longest`` that since the last mark.
    """

    counts: Counter[str] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=Histogram)
    longest: float = 0.0
    posts: dict[str, Post] = field(default_factory=dict)

    def delivered(self, entry: dict[str, Any], now: float, excused: bool) -> None:
        """A member saw an entry for the first time; it is ``excused`` from being on time where it did not read."""
        self.counts["deliveries"] += 1
        post = self.posts.get(entry["id"])
        if post is None:
            self.counts["foreign"] += 1
            return
        if not excused:
            self.latency.record(now - post.due)
            self.longest = max(self.longest, now - post.due)
            self.counts["late"] += now - post.due > LATE
        place = (entry["epoch"], entry["offset"])
        if post.seen and place not in post.seen:
            self.counts["duplicated"] += 1
        post.seen.add(place)


class Member(asyncio.Protocol):
    """One connection after another of one member of one room. ``epoch`` and ``offset`` are what it has."""

    def __init__(self, room: "Room", number: int) -> None:
        self.room = room
        self.number = number
        self.live = False
        self.muted = False
        self.excused_until = 0.0
        self.epoch = ""
        self.offset = 0
        self.down_since: float | None = time.monotonic()
        self.longest_down = 0.0
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._upgraded = False
        self._replaying = False
        self._nonce = b""
        self._ended = asyncio.Event()
        self._outbox: dict[int, Post] = {}
        self._ref = 0

    # ---- its life -------------------------------------------------------------------------------

    async def stay(self) -> None:
        """Connect, and again whenever the connection is lost, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            self._ended.clear()
            try:
                async with asyncio.timeout(ANSWER_WITHIN):
                    host, port = self.room.address
                    await asyncio.get_running_loop().create_connection(lambda: self, host, port)
            except (OSError, TimeoutError):
                self.room.books.counts["refused"] += 1
            else:
                asyncio.get_running_loop().call_later(ANSWER_WITHIN, self._give_up, self._transport)
                await self._ended.wait()
                if self._upgraded:
                    pause = FIRST_PAUSE
            await asyncio.sleep(random.uniform(0.3, 1) * pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _give_up(self, transport: asyncio.Transport | None) -> None:
        if transport is self._transport and not self.live and transport is not None:
            transport.abort()

    def post(self, post: Post) -> None:
        """Send ``post`` now, or as soon as there is a connection."""
        self._ref += 1
        self._outbox[self._ref] = post
        if self.live and len(self._outbox) == 1:
            self._send_post(self._ref, post)

    def mute(self, muted: bool) -> None:
        """Stop reading, or go on."""
        self.muted, self.excused_until = muted, time.monotonic() + CATCH_UP
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.pause_reading if muted else self._transport.resume_reading)()

    def cut(self) -> None:
        """Be cut off, without a word to the server but a reset."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def handshaking(self) -> bool:
        return self._transport is not None and not self.live

    # ---- what the transport calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of create_connection there is no other
        self._transport, self._data, self._upgraded = transport, b"", False
        self._nonce = os.urandom(16)
        host = f"{self.room.address[0]}:{self.room.address[1]}"
        transport.write(wire.request(host, "/ws", self._nonce, self.room.headers))

    def data_received(self, data: bytes) -> None:
        self._data += data
        try:
            if self._upgraded or self._upgrade():
                self._read_frames()
        except wire.BrokenStream:
            self.room.books.counts["corrupt"] += 1
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.live:
            self.room.books.counts["ended"] += 1
            if not self._data.startswith(b"\x88"):
                self.room.books.closes["lost"] += 1
            self.down_since = time.monotonic()
        self.live, self._transport = False, None
        self._ended.set()

    # ---- frames ----------------------------------------------------------------------------------

    def _upgrade(self) -> bool:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return False
        if not wire.accepted(head, self._nonce):
            self.room.books.counts["refused"] += 1
            self.cut()
            return False
        self._upgraded, self._data = True, rest
        self._join()
        return True

    def _read_frames(self) -> None:
        start = 0
        while (frame := wire.frame_at(self._data, start)) is not None:
            start += len(frame.whole)
            if frame.opcode == wire.PING:
                self._send(wire.PONG, frame.payload)
            elif frame.opcode == wire.CLOSE:
                code = int.from_bytes(frame.payload[:2], "big")
                self.room.books.closes[str(code)] += 1
                self._send(wire.CLOSE, frame.payload[:2])
                self._data = frame.whole  # so that the end is not counted as one without a word
                return
            elif frame.opcode == wire.TEXT:
                self._take(json.loads(frame.payload))
        self._data = self._data[start:]

    def _take(self, told: dict[str, Any]) -> None:
        kind = told["type"]
        if kind == "message":
            if not self._replaying:
                self._see(told)
        elif kind == "reply":
            self._replied(told)
        elif kind == "replay":
            for entry in told["messages"]:
                self._see(entry, again=True)
            self._replaying = told["more"]
        elif kind == "reset":
            self.room.books.counts["told"] += 1
            self.epoch, self.offset = "", 0
            self._join()

    def _see(self, entry: dict[str, Any], again: bool = False) -> None:
        """An entry came: in its place, twice, or with a gap before it."""
        books = self.room.books
        if self.epoch == entry["epoch"] and entry["offset"] <= self.offset:
            books.counts["duplicated"] += 1
            return
        if entry["offset"] != self.offset + 1:
            books.counts["lost"] += max(1, entry["offset"] - self.offset - 1)
        if again:
            books.counts["recovered"] += 1
        self.epoch, self.offset = entry["epoch"], entry["offset"]
        now = time.monotonic()
        books.delivered(entry, now, self.muted or now < self.excused_until)

    def _replied(self, reply: dict[str, Any]) -> None:
        if reply["ref"] == 0:
            return self._joined(reply)
        post = self._outbox.get(reply["ref"])
        if post is None:
            return None
        if "result" in reply:
            del self._outbox[reply["ref"]]
            post.place = (reply["result"]["epoch"], reply["result"]["offset"])
            self.room.books.counts["acknowledged"] += 1
        else:
            self.room.books.counts["unavailable"] += 1
            asyncio.get_running_loop().call_later(RESEND_AFTER, self._send_next)
            return None
        return self._send_next()

    def _joined(self, reply: dict[str, Any]) -> None:
        result = reply.get("result")
        if result is None:
            asyncio.get_running_loop().call_later(RESEND_AFTER, self._join)
            return
        if result["recovered"]:
            for entry in result["messages"]:
                self._see(entry, again=True)
        elif self.epoch:
            self.room.books.counts["told"] += 1
        self.epoch, self.offset, self._replaying = result["epoch"], result["offset"], result["more"]
        self.live = True
        if self.down_since is not None:
            self.longest_down = max(self.longest_down, time.monotonic() - self.down_since)
            self.down_since = None
        if self.muted:
            self.mute(True)
        self._send_next()

    def _join(self) -> None:
        command: dict[str, Any] = {"type": "join", "ref": 0, "room": self.room.name}
        if self.epoch:
            command["since"] = {"epoch": self.epoch, "offset": self.offset}
        self._send(wire.TEXT, json.dumps(command).encode())

    def _send_next(self) -> None:
        """Send the oldest post that is not acknowledged: one at a time, so that their order holds."""
        if self.live and self._outbox:
            self._send_post(*next(iter(self._outbox.items())))

    def _send_post(self, ref: int, post: Post) -> None:
        post.sent += 1
        self.room.books.counts["sent" if post.sent == 1 else "sent_again"] += 1
        text = f"{post.id}: is this thing on?"
        command = {"type": "post", "ref": ref, "room": self.room.name, "id": post.id, "text": text}
        self._send(wire.TEXT, json.dumps(command).encode())

    def _send(self, opcode: int, payload: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(wire.encode(opcode, payload, random.getrandbits(32)))


@dataclass
class Room:
    """Members of one room at one backend."""

    name: str
    address: tuple[str, int]
    headers: dict[str, str]
    books: Books
    members: list[Member] = field(default_factory=list)


@dataclass
class Side:
    """All that is asked of one backend."""

    label: str
    address: tuple[str, int]
    books: Books = field(default_factory=Books)
    rooms: list[Room] = field(default_factory=list)

    @property
    def members(self) -> list[Member]:
        return [member for room in self.rooms for member in room.members]

    def settled(self, posts: list[Post]) -> bool:
        """Whether everybody is there, every one of ``posts`` was acknowledged, and every member has come past it."""
        return all(member.live for member in self.members) and not self.missing(posts)

    def missing(self, posts: list[Post]) -> list[str]:
        """Return what is still open of ``posts``, in words."""
        highest: dict[str, tuple[str, int]] = {}
        unanswered = 0
        for post in posts:
            if post.place is None:
                unanswered += 1
            else:
                room = post.id.rpartition("_")[0]
                highest[room] = max(highest.get(room, post.place), post.place, key=lambda place: place[1])
        found = [f"{unanswered} posts have no answer"] if unanswered else []
        behind = sum(
            member.offset < highest[room.name][1]
            for room in self.rooms
            if room.name in highest
            for member in room.members
        )
        misplaced = sum(post.place is not None and bool(post.seen) and post.place not in post.seen for post in posts)
        found += [f"{behind} members have not got all"] if behind else []
        found += [f"{misplaced} messages are not where they were acknowledged"] if misplaced else []
        return found
