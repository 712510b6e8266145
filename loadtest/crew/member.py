"""A person of the plan, and the connection through which they are in a room."""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from loadtest.connection import Connection, Phase
from loadtest.reference import Reference

CODE: Final = re.compile(r"closed by the server: (\d+)")


class Watcher(Protocol):
    """Who is told what becomes of a connection."""

    def on_open(self, user: "User", connection: "Member") -> None: ...

    def on_joined(self, user: "User", connection: "Member", result: dict[str, Any]) -> None: ...

    def on_page(self, connection: "Member", messages: list[dict[str, Any]], more: bool) -> None: ...

    def on_reply(self, user: "User", reply: dict[str, Any]) -> None: ...

    def on_left(self, user: "User", connection: "Member") -> None: ...

    def on_closed(self, user: "User", connection: "Member", before: Phase) -> None: ...


@dataclass(slots=True)
class User:
    """One person. ``position`` is (epoch, offset) to come back to; ``wanted`` says whether the plan has them inside."""

    number: int
    room: int
    wanted: bool = False
    intended: float = 0.0
    """when they were to be inside"""
    waiting: bool = True
    waits: list[tuple[str, float, float]] = field(default_factory=list)
    """rooms, and from when to when the plan had them inside although they were not in yet"""
    connection: "Member | None" = None
    epoch: str = ""
    offset: int | None = None
    attempts: int = 0
    next_room: int | None = None
    """where they move, until the room where they are is left"""
    stalled: bool = False
    will_stall: bool = False
    ended: str = ""
    missed_to_reset: int = 0

    @property
    def wanted_room(self) -> int:
        """Where the plan has them."""
        return self.room if self.next_room is None else self.next_room


@dataclass
class Room:
    """``behind`` are the users who follow it, or will when they are back."""

    reference: Reference
    users: set[int] = field(default_factory=set)


class Member(Connection):
    """A connection that tells its crew what becomes of it."""

    __slots__ = ("_crew", "_user", "began", "replaying")

    def __init__(self, crew: Watcher, user: User, reference: Reference, intended: float, **rest: Any) -> None:
        self._crew = crew
        self._user = user
        self.began = intended
        self.replaying = False
        super().__init__(user.number, reference, **rest)

    def join(self) -> None:
        user = self._user
        since = {} if user.offset is None else {"since": {"epoch": user.epoch, "offset": user.offset}}
        self.command({"type": "join", "ref": 0, "room": self.room, **since})

    def on_open(self) -> None:
        self._crew.on_open(self._user, self)
        self.join()

    def on_joined(self, result: dict[str, Any]) -> None:
        self._crew.on_joined(self._user, self, result)

    def on_replay(self, push: dict[str, Any]) -> None:
        self._crew.on_page(self, push["messages"], more=push["more"])

    def on_reply(self, reply: dict[str, Any]) -> None:
        self._crew.on_reply(self._user, reply)

    def on_left(self) -> None:
        self._crew.on_left(self._user, self)

    def on_closed(self, before: Phase) -> None:
        self._crew.on_closed(self._user, self, before)


def close_label(ended: str) -> str:
    """Return the close code of how a connection ended, or in a word or two what it was instead."""
    if match := CODE.match(ended):
        return match[1]
    head = ended.partition(":")[0]
    if head in ("lost", "gone"):
        return "1006"
    if ended.startswith("refused: HTTP/1.1 "):
        return "HTTP " + ended.split()[2]
    return head
