"""A world in which nothing waits: a log as Redis would keep it, one process, and clients that keep account.

A test says in which order things happen. Every client checks, entry by entry, that nothing is missing, doubled or out
of order; `World.settle` lets everything come to rest, and `World.check` closes the accounts.
"""

import itertools
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from chat_core import codec
from chat_core.effects import (
    Admit,
    Close,
    Commit,
    Depart,
    Drained,
    Effect,
    Enter,
    Flow,
    Mark,
    PublishTyping,
    ReadPage,
    Send,
)
from chat_core.envelope import Block
from chat_core.frames import Position, User
from chat_core.limits import TokenBucket
from chat_core.log import Committed, Page, Unavailable
from chat_core.protocol import Protocol
from chat_core.registry import Registry
from chat_core.rooms import Admission, Room
from chat_core.settings import Settings

ROOM = "lobby"
SETTINGS = Settings("async", "unix:///nowhere", command_rate=0)


def epoch(number: int) -> str:
    """The name of the log's nth epoch."""
    return f"{number:016x}"


FIRST = epoch(1)


def entry(kind: str, place: Position, name: str = "x", text: str = "…") -> bytes:
    """One log entry as JSON, the way the scripts write it."""
    fields = {"type": kind, "room": ROOM, "epoch": place.epoch, "offset": place.offset, "at": 1.0, "id": name}
    return json.dumps({**fields, "user": {"id": "u", "name": "U"}, "text": text}, separators=(",", ":")).encode()


def at(offset: int, life: str = FIRST) -> Position:
    """A place in the log, in its first epoch unless another is given."""
    return Position(epoch=life, offset=offset)


def entries(first: int, last: int, life: str = FIRST, kind: str = "message") -> list[bytes]:
    """The log's entries from one offset to another."""
    return [entry(kind, at(offset, life)) for offset in range(first, last + 1)]


def block(first: int, last: int | None = None, life: str = FIRST) -> Block:
    """The publication of these entries; of one where no last is given."""
    return Block(ROOM, life, first, 1.0, entries(first, first if last is None else last, life))


def page(end: Position, shown: list[bytes] | None = None, *, recovered: bool = True, top: int | None = None) -> Page:
    """A page that ends at a place; the log goes on where `top` is above it."""
    top = end.offset if top is None else top
    return Page(end.epoch, top, recovered, end.offset, top > end.offset, None, {}, shown or [])


@dataclass
class Log:
    """One room's log: what `commit.lua` and `page.lua` decide, without Redis."""

    page_entries: int = 3
    number: int = 1
    exists: bool = True
    entries: list[bytes] = field(default_factory=list)
    lineage: dict[str, int] = field(default_factory=dict)

    @property
    def epoch(self) -> str:
        return epoch(self.number)

    def commit(self, kind: str = "message", name: str = "x", text: str = "…") -> Block:
        """Append one entry; the block is what is published."""
        self.exists = True
        at = Position(epoch=self.epoch, offset=len(self.entries) + 1)
        self.entries.append(entry(kind, at, name, text))
        return Block(ROOM, at.epoch, at.offset, 1.0, [self.entries[-1]])

    def restart(self, lost: int) -> None:
        """Redis comes back without the last `lost` entries; the next script begins an epoch."""
        del self.entries[max(0, len(self.entries) - lost) :]
        self.lineage = {ended: min(top, len(self.entries)) for ended, top in self.lineage.items()}
        self.lineage[self.epoch] = len(self.entries)
        self.number += 1

    def vanish(self) -> None:
        """Everything is gone."""
        self.entries, self.lineage, self.exists = [], {}, False
        self.number += 1

    def page(self, mode: str, since: Position | None) -> Page | None:
        if not self.exists and mode == "more":
            return None
        self.exists = True
        top = len(self.entries)
        last = {**self.lineage, self.epoch: top}.get(since.epoch, -1) if since else -1
        if since is None or since.offset > last:
            shown = self.entries[-self.page_entries :] if mode == "join" else []
            return page(Position(epoch=self.epoch, offset=top), shown, recovered=False)
        end = min(top, since.offset + self.page_entries)
        return page(Position(epoch=self.epoch, offset=end), self.entries[since.offset : end], top=top)


class Client:
    """A person's program: asks, and keeps account of what it is sent."""

    def __init__(self, world: "World", name: str) -> None:
        self.user = User(id=name, name=name)
        self.world = world
        self.protocol = Protocol(self.user, SETTINGS)
        self.frames: list[dict[str, Any]] = []
        self.account: list[dict[str, Any]] = []
        """The entries received since the log was last told to be another one."""
        self.position: Position | None = None
        self.joined = False
        self.outside = True
        """Whether the process has put it out: between asking for that and this, entries may come and mean nothing."""
        self.closed = False
        self._flow: Flow | None = None
        self._effect: Effect | None = None
        self._waiting = False
        self._since: Position | None = None
        self._refs = itertools.count(1)

    @property
    def busy(self) -> bool:
        return self._flow is not None

    @property
    def stuck(self) -> bool:
        """Whether it waits for the room."""
        return self._waiting

    def ask(self, kind: str, **fields: Any) -> int:
        """Begin a command; `advance` carries it out, one effect at a time."""
        assert not self.busy
        ref = next(self._refs)
        if kind == "join":
            self.joined, self._since = False, self.position
            fields |= {"since": self.position.model_dump()} if self.position else {}
        if kind == "leave":
            self.joined = False
        text = json.dumps({"type": kind, "ref": ref, "room": ROOM, **fields})
        self._flow = self.protocol.receive(text, 0.0)
        self._resume(None)
        return ref

    def advance(self) -> None:
        """Carry out the next effect, if there is one and it need not wait."""
        if self._effect is None or self._waiting:
            return
        try:
            result = self._perform(self._effect)
        except Unavailable as error:
            self._resume(error)
        else:
            if not self._waiting:
                self._resume(result)

    def finish(self) -> None:
        """Carry out what was asked to its end, or as far as it can be."""
        for _ in range(1000):
            if not self.busy or self._waiting:
                return
            self.advance()
        raise AssertionError("it never comes to an end")

    def settled(self, admission: Admission, payloads: list[bytes]) -> None:
        """The room has decided on an `Admit`."""
        self._waiting = admission is Admission.WAIT
        if admission is Admission.LIVE:
            self.send(payloads)
        if self._effect is not None and not self._waiting and isinstance(self._effect, Admit):
            self._resume(admission is Admission.LIVE)

    def dropped(self) -> None:
        self.protocol.dropped(ROOM)

    def _resume(self, result: Any) -> None:
        assert self._flow is not None
        try:
            if isinstance(result, Unavailable):
                self._effect = self._flow.throw(result)
            else:
                self._effect = self._flow.send(result)
        except StopIteration:
            self._flow = self._effect = None

    def _perform(self, effect: Effect) -> Any:
        registry = self.world.registry
        match effect:
            case Send(payload):
                self.send([payload])
            case Enter(room):
                registry.enter(room, self)
            case Depart(room):
                registry.depart(room, self)
                self.outside = True
            case ReadPage(_, mode, since):
                return self.world.log.page(mode, since)
            case Admit(room, found, payload):
                admission, payloads = registry.admit(room, self, found, payload, 0.0)
                self._waiting = admission is Admission.WAIT
                if admission is Admission.LIVE:
                    self.send(payloads)
                return admission is Admission.LIVE
            case Commit(write):
                block = self.world.commit(name=write.arguments[3])
                return Committed(block.epoch, block.first, False)
            case Mark():
                return "ok"
            case Close():
                self.closed = True
            case Drained() | PublishTyping():
                pass
        return None

    # ---- accounts -------------------------------------------------------------------------------

    def send(self, payloads: list[bytes]) -> None:
        """These frames reach the client, in this order."""
        for payload in payloads:
            frame = json.loads(payload)
            self.frames.append(frame)
            self._read(frame)

    def _read(self, frame: dict[str, Any]) -> None:
        match frame:
            case {"type": "reply", "result": {"recovered": recovered, "messages": messages} as result}:
                self.joined, self.outside = True, False
                end = Position(epoch=result["epoch"], offset=result["offset"])
                if not recovered:
                    self.account, self.position = [], end
                    return
                assert self._since is not None
                assert self.position == self._since
                for message in messages:
                    self._note(message)
                assert self.position.offset == end.offset
                self.position = end
            case {"type": "replay", "messages": messages}:
                for message in messages:
                    self._note(message)
            case {"type": "reset"}:
                self.joined, self.outside, self.position = False, True, None
            case {"type": "message" | "edited" | "deleted" | "reacted"}:
                assert not self.outside, "an entry came to somebody who is no member"
                if self.joined:
                    self._note(frame)

    def _note(self, entry: dict[str, Any]) -> None:
        assert self.position is not None
        assert entry["offset"] == self.position.offset + 1, (entry, self.position)
        self.position = Position(epoch=entry["epoch"], offset=entry["offset"])
        self.account.append(entry)

    def replies(self, ref: int) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == "reply" and frame["ref"] == ref]


class World:
    """The log, the wire between Redis and the process, and the process: its registry and a hub without waiting."""

    def __init__(self, clients: int = 1) -> None:
        self.log = Log()
        self.wire: deque[Block] = deque()
        self.registry: Registry[Client] = Registry("here", 20, TokenBucket(0, 1))
        self.clients = [Client(self, f"client{number}") for number in range(clients)]
        for client in self.clients:
            self.registry.add(client)
        self._delivered = False
        self._filling: tuple[Room[Client], Page | None] | None = None

    @property
    def room(self) -> Room[Client] | None:
        return self.registry.rooms.get(ROOM)

    def commit(self, kind: str = "message", name: str = "x") -> Block:
        """Somebody writes; the publication is on its way."""
        block = self.log.commit(kind, name)
        self.wire.append(block)
        return block

    def deliver(self, most: int = 1) -> None:
        """Publications arrive."""
        for _ in range(min(most, len(self.wire))):
            block = self.wire.popleft()
            if self.room:
                self.room.receive(block)
                self._delivered = True

    def lose(self) -> None:
        """A publication is lost."""
        if self.wire:
            self.wire.popleft()

    def flush(self, most: int = 0) -> None:
        """What is pending is written to the members, and who waited is let in."""
        self._delivered = False
        if room := self.room:
            if flush := room.take(most):
                for client in flush.members:
                    client.send(flush.payloads)
            for client, admission, payloads in room.settle():
                client.settled(admission, payloads)

    def probe(self) -> None:
        """A probe was sent, and came back behind all that was under way."""
        self.deliver(len(self.wire))
        place = (self.log.epoch, len(self.log.entries)) if self.log.exists else ("", 0)
        self.registry.verify({ROOM: place})

    def read_for_fill(self) -> None:
        """A parked room asks the log for what it lacks."""
        for room in self.registry.parked():
            self._filling = (room, self.log.page("more", room.position))

    def fill(self) -> None:
        """The answer arrives."""
        if self._filling is None:
            return
        (room, found), self._filling = self._filling, None
        for client in room.fill(found) or ():
            client.dropped()
            client.send([codec.push("reset", room=ROOM, epoch=room.epoch or epoch(0), offset=room.top)])
        self.flush()

    def settle(self) -> None:
        """Let everything come to rest: members that were reset, and clients that are outside, join again."""
        for _ in range(50):
            self.probe()
            if self._delivered:  # a hub has no other reason to flush
                self.flush()
            self.fill()
            self.read_for_fill()
            self.fill()
            for client in self.clients:
                client.finish()
                if not client.busy and not client.joined:
                    client.ask("join")
            if not (self.wire or self.registry.parked() or any(client.busy for client in self.clients)):
                break
        else:
            raise AssertionError("it does not come to rest")

    def check(self) -> None:
        """Every client has got every entry from where it joined to the log's end, exactly once and in order."""
        entries = [json.loads(one) for one in self.log.entries]
        for client in self.clients:
            assert client.position is not None
            assert client.position.offset == len(entries), client.user.id
            if client.account:
                assert client.account == entries[client.account[0]["offset"] - 1 :], client.user.id
