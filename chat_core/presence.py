"""Who is in a room, as one process knows it: its own users, and what each other process last said of its own.

Processes exchange whole states, never differences, so a lost publication heals with the next one. Clients get
differences. Above ``MOST_LISTED`` users a state is a count and a sample.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pydantic_core import from_json, to_json

from chat_core.frames import Members, User

MOST_LISTED: Final = 200
SAMPLE: Final = 50
REFRESH: Final = 10.0
"""Seconds between two renewals of what a process knows."""
LIFETIME: Final = 25
"""Seconds after which a process that fell silent is dropped: below the 30 s after which no ghost may be left."""
GRACE: Final = 5.0
"""Seconds that a user whose socket was lost stays present, so that a reconnect does not flicker."""


@dataclass(slots=True)
class State:
    """The users of one process, or of all: ``users`` maps ids to names and is complete unless ``count`` is larger."""

    count: int = 0
    users: dict[str, str] = field(default_factory=dict)

    @property
    def sampled(self) -> bool:
        """Whether only some of the users are listed."""
        return self.count > len(self.users)

    def members(self) -> Members:
        """Return it as clients get it."""
        return Members.model_validate_json(self.json())

    def json(self) -> bytes:
        """Return what ``members`` says as JSON, made without the models.

        To make and to dump those touches 15 KiB of stack more, and where a connection has a thread, it keeps them.
        """
        shown = list(self.users.items())[: SAMPLE if self.sampled else MOST_LISTED]
        users = [{"id": user, "name": name} for user, name in shown]
        return to_json({"count": self.count, "users": users, "sampled": self.sampled})


def encode(state: State) -> bytes:
    """Return ``state`` as processes exchange it."""
    listed = dict(list(state.users.items())[:MOST_LISTED])
    return to_json({"count": state.count, "users": listed})


def decode(data: bytes) -> State:
    """Return the state in ``data``, made by ``encode``."""
    value = from_json(data)
    return State(value["count"], value["users"])


def union(states: Iterable[State]) -> State:
    """Return the state of all: exact while each is complete, else the sum of the counts."""
    users: dict[str, str] = {}
    total, sampled = 0, False
    for state in states:
        users.update(state.users)
        total += state.count
        sampled = sampled or state.sampled
    count = max(total, len(users)) if sampled else len(users)
    if count > MOST_LISTED:
        users = dict(list(users.items())[:SAMPLE])
    return State(count, users)


@dataclass(frozen=True, slots=True)
class Record:
    """What Redis has of one process: its state, and the seconds for which that is still good."""

    lifetime: float
    state: State


def record(value: bytes) -> Record:
    """Return the record in ``value``, which a script made: the seconds, a space, the state as ``encode`` gives it."""
    lifetime, _, state = value.partition(b" ")
    return Record(float(lifetime), decode(state))


class Presence:
    """The presence of one room in one process."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._connections: dict[str, int] = {}
        self._leaving: dict[str, float] = {}
        self._remote: dict[str, tuple[float, State]] = {}
        self._announced = State()
        self._pushed = State()
        self.changed = False
        """Whether ``announcement`` or ``push`` may have something to say."""

    @property
    def occupied(self) -> bool:
        """Whether any user of this process is present or was announced as such."""
        return bool(self._names) or self._announced.count > 0

    def track(self, user: User) -> None:
        """One more connection of ``user`` is here."""
        self._leaving.pop(user.id, None)
        self._connections[user.id] = self._connections.get(user.id, 0) + 1
        if self._names.get(user.id) != user.name:
            self._names[user.id] = user.name
            self.changed = True

    def untrack(self, user: User, until: float) -> None:
        """One connection of ``user`` less; the last one counts until the time ``until``."""
        self._connections[user.id] -= 1
        if not self._connections[user.id]:
            del self._connections[user.id]
            self._leaving[user.id] = until
            self.changed = True

    def receive(self, process: str, state: State, now: float) -> None:
        """Take over what another ``process`` said."""
        if state.count:
            self._remote[process] = (now + LIFETIME, state)
        else:
            self._remote.pop(process, None)
        self.changed = True

    def learn(self, records: dict[str, Record], now: float) -> None:
        """Take what Redis has of processes that have not been heard of here; what was heard is newer."""
        for process, found in records.items():
            if process not in self._remote:
                self._remote[process] = (now + found.lifetime, found.state)
                self.changed = True

    def due(self, now: float) -> bool:
        """Whether ``expire``, ``announcement`` or ``push`` may have something to do."""
        return self.changed or any(until <= now for until, _ in self._remote.values())

    def expire(self, now: float) -> None:
        """Drop users whose grace is over and processes that fell silent."""
        for user in [user for user, until in self._leaving.items() if until <= now]:
            del self._leaving[user], self._names[user]
            self.changed = True
        for process in [process for process, (until, _) in self._remote.items() if until <= now]:
            del self._remote[process]
            self.changed = True
        self.changed = self.changed or bool(self._leaving)

    def local(self) -> State:
        """Return the users of this process."""
        return State(len(self._names), self._names)

    def state(self) -> State:
        """Return the users of all processes."""
        return union([self.local(), *(state for _, state in self._remote.values())])

    def announcement(self) -> State | None:
        """Return what the other processes are to be told; None where nothing changed since the last time."""
        if self._names == self._announced.users:
            return None
        self._announced = State(len(self._names), dict(self._names))
        return self._announced

    def push(self) -> dict[str, object] | None:
        """Return the fields of the presence push that brings clients up to date; None where nothing changed."""
        before, now = self._pushed, self.state()
        self._pushed = now
        if now.sampled != before.sampled:
            return {"count": now.count, "members": now.members()}
        if now.sampled:
            return {"count": now.count} if now.count != before.count else None
        joins = [User(id=user, name=name) for user, name in now.users.items() if before.users.get(user) != name]
        leaves = [user for user in before.users if user not in now.users]
        return {"count": now.count, "joins": joins, "leaves": leaves} if joins or leaves else None
