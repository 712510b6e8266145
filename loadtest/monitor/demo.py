"""A small load on both backends at once, to look at while they are hurt: a demonstration, and no evidence.

python -m loadtest.monitor.demo '{"sides": {"async": "http://127.0.0.1:8001"}, "members": 40, ...}'

Started by the monitor. Writes one JSON object per second to standard output and takes one per line from standard
input: {"do": "mark"}, {"do": "check"}, {"do": "mute", "share": 0.25, "seconds": 5}, {"do": "cut"}.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, model_validator

from loadtest.histogram import Histogram
from loadtest.monitor.crowd import Member, Post, Room, Side
from loadtest.monitor.http import RequestError, post

OPENING_PER_SECOND: Final = 80
LAST_WORD: Final = 2.2
"""Seconds after the last post, in which the last second is told."""
FORGET_AFTER: Final = 120.0
"""Seconds for which a post is remembered: longer than anything is ever frozen or away."""
SETTLE: Final = 0.5
"""Seconds of ordinary life before a check, in which what was done takes effect."""
SETTLED_WITHIN: Final = 30.0
MOST_DELIVERIES: Final = 5000


class Size(BaseModel, extra="forbid"):
    """How large a demonstration is, per backend."""

    members: int = Field(40, ge=2, le=500)
    rooms: int = Field(4, ge=1, le=50)
    rate: float = Field(8, gt=0, le=200, description="messages per second")
    seconds: float = Field(900, ge=5, le=3600)

    @model_validator(mode="after")
    def _bearable(self) -> "Size":
        if self.members < self.rooms:
            raise ValueError("there must be a member for every room")
        if (asked := self.rate * self.members / self.rooms) > MOST_DELIVERIES:
            raise ValueError(
                f"{asked:,.0f} deliveries a second are more than a demonstration may ask: {MOST_DELIVERIES:,}"
            )
        return self


class Demo:
    """All sides, until the time is over or nobody listens any more."""

    def __init__(self, sides: dict[str, str], size: Size) -> None:
        self._size = size
        self._run = os.urandom(3).hex()
        self.sides = [Side(label, _address(url)) for label, url in sides.items()]
        self._tokens = {label: _sign_in(url) for label, url in sides.items()}
        self._posted = 0
        self._tasks: set[asyncio.Task[None]] = set()
        for side in self.sides:
            self._people(side)

    def _people(self, side: Side) -> None:
        headers = {"Authorization": f"Bearer {self._tokens[side.label]}"}
        for number in range(self._size.rooms):
            room = Room(f"demo-{side.label}-{self._run}-{number}", side.address, headers, side.books)
            mine = range(number, self._size.members, self._size.rooms)
            room.members.extend(Member(room, one) for one in mine)
            side.rooms.append(room)

    async def run(self) -> None:
        """Let all in, then post by the clock; report once a second."""
        self._spawn(self._obey())
        for place in range(self._size.members):
            for side in self.sides:
                self._spawn(side.members[place].stay())
            await asyncio.sleep(1 / OPENING_PER_SECOND)
        self._spawn(self._report_forever())
        await self._post_all()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- posting --------------------------------------------------------------------------------

    async def _post_all(self) -> None:
        """The same message times on every side: those of people who do not know of each other."""
        dice, began = random.Random(self._run), time.monotonic()
        due = began + 0.5
        while due < began + self._size.seconds:
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            room, speaker = dice.randrange(self._size.rooms), dice.random()
            for side in self.sides:
                self._post(side, side.rooms[room], speaker, due)
            due += dice.expovariate(self._size.rate)
        await asyncio.sleep(LAST_WORD)

    def _post(self, side: Side, room: Room, speaker: float, due: float) -> None:
        members = [member for member in room.members if not member.muted]
        if not members:
            return
        self._posted += 1
        message = Post(f"{room.name}_{self._posted}", due)
        side.books.posts[message.id] = message
        side.books.counts["offered"] += 1
        members[int(speaker * len(members))].post(message)

    # ---- what is told ---------------------------------------------------------------------------

    async def _report_forever(self) -> None:
        cpu, at = time.process_time(), time.monotonic()
        while True:
            due = time.monotonic() + 1
            await asyncio.sleep(1)
            now = time.monotonic()
            busy, cpu = (time.process_time() - cpu) / (now - at), time.process_time()
            at = now
            _say({
                "type": "second",
                "generator": {"cpu": round(busy, 4), "lag": round(max(0.0, now - due), 6)},
                "sides": {side.label: self._second(side) for side in self.sides},
            })  # fmt: skip

    def _second(self, side: Side) -> dict[str, Any]:
        members, books = side.members, side.books
        latency, books.latency = books.latency, Histogram()
        horizon = time.monotonic() - FORGET_AFTER
        for id_ in [one.id for one in books.posts.values() if one.due < horizon and one.place]:
            del books.posts[id_]
        return {
            "planned": len(members),
            "open": sum(member.live for member in members),
            "handshaking": sum(member.handshaking for member in members),
            "muted": sum(member.muted for member in members),
            "counts": dict(books.counts),
            "closes": dict(books.closes),
            "buckets": sorted(latency.counts.items()),
            "max": round(latency.longest, 6),
        }

    # ---- what is asked --------------------------------------------------------------------------

    async def _obey(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            asked = json.loads(line)
            if asked["do"] == "mark":
                self._mark()
            elif asked["do"] == "check":
                self._spawn(self._check())
            elif asked["do"] == "mute":
                self._spawn(self._mute(asked["share"], asked["seconds"]))
            elif asked["do"] == "cut":
                for side in self.sides:
                    for member in side.members:
                        member.cut()
        os._exit(0)  # the monitor is gone: nobody would see what follows

    def _mark(self) -> None:
        """Something is about to happen: count from here."""
        for side in self.sides:
            for member in side.members:
                member.longest_down = 0.0
            side.books.longest = 0.0
        _say({"type": "marked", "sides": {side.label: dict(side.books.counts) for side in self.sides}})

    async def _mute(self, share: float, seconds: float) -> None:
        chosen = [member for side in self.sides for member in side.members[: max(1, round(share * len(side.members)))]]
        for member in chosen:
            member.mute(True)
        await asyncio.sleep(seconds)
        for member in chosen:
            member.mute(False)

    async def _check(self) -> None:
        """Wait until all that was posted so far is with everybody, and say so; or, after a while, what is not."""
        await asyncio.sleep(SETTLE)
        asked = {side.label: list(side.books.posts.values()) for side in self.sides}
        began = time.monotonic()
        while time.monotonic() - began < SETTLED_WITHIN:
            if all(side.settled(asked[side.label]) for side in self.sides):
                break
            await asyncio.sleep(0.1)
        _say({
            "type": "checked",
            "sides": {
                side.label: {
                    "missing": side.missing(asked[side.label]),
                    "counts": dict(side.books.counts),
                    "longest": round(side.books.longest, 3),
                    "down": round(max((member.longest_down for member in side.members), default=0.0), 3),
                    "interrupted": sum(member.longest_down > 0 for member in side.members),
                }
                for side in self.sides
            },
        })  # fmt: skip


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def _sign_in(url: str) -> str:
    return str(post(f"{url}/api/session", {"name": "Demo crowd"}, 5.0)["token"])


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    told = json.loads(arguments[0])
    try:
        demo = Demo(told.pop("sides"), Size(**told))
    except (RequestError, ValueError) as error:
        print(f"the demonstration cannot begin: {error}", file=sys.stderr)
        return 1
    with suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(demo.run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
