"""Clients that chat: they post, edit, delete and react, come and go, and move between the backends."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.acts import Place
from chaos.client import Client, Door
from chaos.history import Recorder

EMOJI: Final = ("👍", "🎉", "❤")


@dataclass(frozen=True, slots=True)
class Load:
    """How many, how much. ``restless`` is the share of acts by which a client moves instead of writing."""

    clients: int = 12
    rooms: int = 3
    rate: float = 40.0
    restless: float = 0.06


class Crowd:
    """See the module. What is chosen follows from ``seed``; what happens when does not, for servers are real."""

    def __init__(
        self, doors: Sequence[Door], secret: str, directory: Path | None, seed: str, load: Load, pace: float = 1.0
    ) -> None:
        self.load = load
        self.rooms = [f"{seed}-{number}" for number in range(load.rooms)]
        self.clients: list[Client] = []
        self.due: dict[str, Place] = {}
        """The last place of each room that every member must reach."""
        self._names = itertools.count(1)
        self._chatting: list[asyncio.Task[None]] = []
        self._quiet = asyncio.Event()
        for number in range(load.clients):
            rng = random.Random(f"{seed}:{number}")
            name = f"client-{number:02}"
            own = [*doors[number % len(doors) :], *doors[: number % len(doors)]]
            recorder = Recorder(directory / f"{name}.jsonl" if directory else None)
            self.clients.append(Client(name, secret, own, recorder, rng, pace))

    @property
    def present(self) -> list[Client]:
        """Those who did not go for good."""
        return [client for client in self.clients if not client.retired]

    @property
    def all_rooms(self) -> list[str]:
        """The rooms in which anybody is, or is to be."""
        return sorted({room for client in self.clients for room in client.rooms} | set(self.rooms))

    async def arrive(self, within: float = 15.0) -> None:
        """Let all connect and join. Raises TimeoutError."""
        for number, client in enumerate(self.clients):
            client.start()
            for room in {self.rooms[0], self.rooms[number % len(self.rooms)]}:
                client.join(room)
        await wait_for(self._all_live, within)

    def begin(self) -> None:
        """Let all chat, until ``hush``."""
        self._quiet.clear()
        self._chatting = [asyncio.create_task(self._chat(client)) for client in self.clients]

    async def hush(self, within: float = 20.0) -> list[Client]:
        """End the chat, and return those whose last act did not come to an end."""
        self._quiet.set()
        if not self._chatting:
            return []
        chatting = dict(zip(self._chatting, self.clients, strict=True))
        done, stuck = await asyncio.wait(chatting, timeout=within)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        for task in done:
            if not chatting[task].retired:
                task.result()
        return [chatting[task] for task in stuck if not chatting[task].retired]

    async def last_words(self, within: float = 10.0) -> None:
        """Let one more message follow in each room, so that its end is known. Raises TimeoutError."""
        async with asyncio.timeout(within):
            for room in self.rooms:
                author = next((client for client in self.present if room in client.rooms), None)
                if author is None:
                    continue
                result = await author.insist("post", room, f"last-{next(self._names)}", text=f"the last of {room}")
                if isinstance(result, tuple):
                    self.due[room] = result

    def all_there(self) -> bool:
        """Whether every member has all that is due."""
        return self._all_live() and all(
            client.rooms[room].position is not None and client.rooms[room].position[1] >= place[1]  # type: ignore[index]
            for room, place in self.due.items()
            for client in self.present
            if room in client.rooms
        )

    def members(self, room: str) -> set[str]:
        """The users that are in a room."""
        return {client.user for client in self.present if room in client.rooms}

    def presence_agrees(self) -> bool:
        """Whether every member is told of those who are there, and of nobody else."""
        return all(
            membership.present == self.members(room)
            for client in self.present
            for room, membership in client.rooms.items()
        )

    def end(self) -> None:
        """From here on nothing is written down."""
        for client in self.clients:
            client.recorder.end()

    async def stop(self) -> None:
        """Let all go."""
        for task in self._chatting:
            task.cancel()
        await asyncio.gather(*self._chatting, return_exceptions=True)
        await asyncio.gather(*(client.stop() for client in self.clients))
        self.end()

    def _all_live(self) -> bool:
        return all(one.live.is_set() for client in self.present for one in client.rooms.values())

    # ---- one client -------------------------------------------------------------------------------------------------

    async def _chat(self, client: Client) -> None:
        rng = client.rng
        pause = self.load.clients / self.load.rate
        while not self._quiet.is_set() and not client.retired:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), rng.expovariate(1 / pause))
            if self._quiet.is_set() or client.retired:
                return
            if rng.random() < self.load.restless:
                await self._move(client, rng)
            else:
                await self._write(client, rng)

    async def _move(self, client: Client, rng: random.Random) -> None:
        move = rng.choice(("leave", "leave", "join", "switch", "hang_up", "cut", "vanish"))
        if move == "leave" and client.rooms.keys() & set(self.rooms[1:]):
            await client.leave(rng.choice(sorted(client.rooms.keys() & set(self.rooms[1:]))))
        elif move in ("leave", "join"):
            if missing := sorted(set(self.rooms) - client.rooms.keys()):
                client.join(rng.choice(missing))
        else:
            getattr(client, move)()

    async def _write(self, client: Client, rng: random.Random) -> None:
        room = rng.choice(sorted(client.rooms.keys() & set(self.rooms)))
        messages = list(client.rooms[room].messages)
        own = [at for at, user in messages if user == client.user]
        id, dice = f"{client.name}-{next(self._names)}", rng.random()
        if dice < 0.08 and own:
            await client.insist("edit", room, id, target=_at(rng.choice(own)), text=f"edited by {id}")
        elif dice < 0.12 and own:
            await client.insist("delete", room, id, target=_at(rng.choice(own)))
        elif dice < 0.3 and messages:
            at, _ = rng.choice(messages)
            on = rng.random() < 0.7
            await client.insist("react", room, id, target=_at(at), emoji=rng.choice(EMOJI), on=on)
        elif dice < 0.36 and messages:
            at, _ = rng.choice(messages)
            await client.insist("post", room, id, text=f"said in {id}", reply_to=_at(at))
        else:
            await client.insist("post", room, id, text=f"said in {id}")


def _at(place: Place) -> dict[str, object]:
    return {"epoch": place[0], "offset": place[1]}


async def wait_for(condition: Callable[[], bool], within: float, every: float = 0.02) -> None:
    """Wait until a condition is true. Raises TimeoutError."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(every)
