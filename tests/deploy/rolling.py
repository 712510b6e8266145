"""``python -m tests.deploy.rolling URL``: chat through a gateway while its backends are restarted, and count what came.

Restart them one after the other while it runs (``docker compose restart async``). Members sit at ``/``, ``/async``
and ``/sync``, resume as docs/protocol.md says, and write with ids of their own. Exit code 1 where anything was lost,
doubled or out of order.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.wire.client import Chat, Notice, Position, Refused, fresh_id
from tests.wire.people import Person, fresh_room, sign_in
from tests.wire.rest import Rest

PATHS = ("", "/async", "/sync")
AWAY = (ConnectionClosed, InvalidHandshake, ConnectionError, OSError, TimeoutError)
GIVE_UP = 60.0
"""Seconds for which a member tries to come back."""


@dataclass
class Member:
    """One person who stays: over as many connections as it takes."""

    url: str
    room: str
    person: Person
    chat: Chat | None = None
    position: Position | None = None
    came: list[tuple[int, str]] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    connections: int = 0
    ends: Counter[int] = field(default_factory=Counter)
    longest_away: float = 0.0
    joined: asyncio.Event = field(default_factory=asyncio.Event)

    async def stay(self) -> None:
        """Be connected, and resume whenever the connection ends."""
        while True:
            lost_at = time.monotonic()
            await self._come(lost_at + GIVE_UP)
            if self.connections > 1:
                self.longest_away = max(self.longest_away, time.monotonic() - lost_at)
            assert self.chat
            with suppress(TimeoutError):
                self.ends[await self.chat.ended(within=1e9)] += 1
            wait = max((notice.reconnect_in or 0 for notice in self.chat.seen(Notice)), default=0)
            self._keep()
            await asyncio.sleep(wait + random.random() / 2)

    async def write(self, texts: asyncio.Queue[str]) -> None:
        """Write one after the other, each until it is acknowledged, under the same id."""
        while True:
            text, id = await texts.get(), fresh_id()
            while id not in self.acknowledged:
                try:
                    if self.chat and self.room in self.chat.ledgers:
                        await self.chat.post(self.room, text, id=id)
                        self.acknowledged.append(id)
                        texts.task_done()
                        break
                except (*AWAY, Refused):
                    pass
                await asyncio.sleep(0.1)

    def _keep(self) -> None:
        ledger = self.chat.ledgers.get(self.room) if self.chat else None
        if ledger and ledger.position:
            self.came += [(entry.offset, entry.id) for entry in ledger.entries]
            self.position = ledger.position
        self.chat = None

    async def _come(self, until: float) -> None:
        while True:
            try:
                chat = await Chat.connect(f"{self.url.replace('http', 'ws', 1)}/ws", self.person.token)
                await chat.join_whole(self.room, self.position)
            except (*AWAY, Refused) as error:
                if time.monotonic() > until:
                    raise
                self.ends[getattr(getattr(error, "response", None), "status_code", 0)] += 1
                await asyncio.sleep(0.2 + random.random() / 2)
            else:
                self.chat, self.connections = chat, self.connections + 1
                self.joined.set()
                return


async def run(url: str, members: int, rate: float, seconds: float) -> int:
    """Chat for so long, and return the exit code."""
    room, texts = fresh_room(), asyncio.Queue[str]()
    with Rest() as http:
        crowd = [Member(url + PATHS[i % 3], room, sign_in(http, url, f"Member {i}")) for i in range(members)]
    staying = [asyncio.create_task(member.stay()) for member in crowd]
    await asyncio.gather(*(member.joined.wait() for member in crowd))
    writing = [asyncio.create_task(member.write(texts)) for member in crowd]
    print(f"{members} members in {room}; restart a backend now", flush=True)
    for number in range(int(rate * seconds)):
        texts.put_nowait(f"message {number}")
        await asyncio.sleep(1 / rate)
    await texts.join()
    await asyncio.sleep(3)  # for whoever is still on the way back
    for task in (*writing, *staying):
        task.cancel()
    results = await asyncio.gather(*writing, *staying, return_exceptions=True)
    for member in crowd:
        member._keep()
    return report(crowd, [result for result in results if isinstance(result, Exception)])


def report(crowd: list[Member], faults: list[Exception]) -> int:
    """Print what came of it; return 1 where the promise was broken."""
    acknowledged = {id for member in crowd for id in member.acknowledged}
    lost = sum(len(acknowledged - {id for _, id in member.came}) for member in crowd)
    doubled = sum(len(member.came) - len(set(member.came)) for member in crowd)
    disordered = sum(member.came != sorted(member.came) for member in crowd)
    ends = sum((member.ends for member in crowd), Counter[int]())
    print(f"acknowledged {len(acknowledged)}, received {sum(len(member.came) for member in crowd)}")
    print(f"lost {lost}, doubled {doubled}, members with a wrong order {disordered}, faults {faults}")
    print(f"connections {sum(member.connections for member in crowd)}, ends by code or status {dict(ends)}")
    print(f"longest without a connection: {max(member.longest_away for member in crowd):.1f} s")
    return int(bool(lost or doubled or disordered or faults))


def main() -> int:
    """Read the command line and run."""
    arguments = argparse.ArgumentParser(
        prog="python -m tests.deploy.rolling", description=(__doc__ or "").split("\n\n")[1]
    )
    arguments.add_argument("url", help="of the gateway, such as http://127.0.0.1:8080")
    arguments.add_argument("--members", type=int, default=30)
    arguments.add_argument("--rate", type=float, default=20, help="messages per second")
    arguments.add_argument("--seconds", type=float, default=60)
    options = arguments.parse_args()
    return asyncio.run(run(options.url.rstrip("/"), options.members, options.rate, options.seconds))


if __name__ == "__main__":
    sys.exit(main())
