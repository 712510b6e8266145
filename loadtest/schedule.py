"""Who does what and when, decided from a seed before anything runs: the same workload and seed give the same bytes."""

import bisect
import hashlib
import itertools
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from loadtest.plan import WORDS
from loadtest.workload import Phase, Workload

ZIPF: Final = 1.0
"""The k-th largest room draws 1 / k ** ZIPF as many members as the largest."""
BEFORE: Final = -1.0
"""``due`` of those who enter before the plan begins."""

Kind = Literal["enter", "move", "cut", "stall", "post", "request", "diagnose"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that user ``user`` does, ``due`` seconds after the plan began.

    ``room`` is the one to enter, or spoken in. ``seconds`` says how long it stays away or stalls, infinity as -1.
    ``audience`` is the number of members that the plan has in the room of a post: deliveries that should be.
    """

    due: float
    kind: Kind
    user: int
    room: int = 0
    id: str = ""
    text: str = ""
    seconds: float = 0.0
    audience: int = 0

    def line(self) -> bytes:
        """Return the bytes that the digest of a schedule is made of."""
        fields = [self.due, self.kind, self.user, self.room, self.id, self.text, self.seconds, self.audience]
        return json.dumps(fields).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Window:
    """A phase with its place in time."""

    phase: Phase
    begin: float
    end: float
    connections: int
    """planned at its end"""


@dataclass(frozen=True)
class Schedule:
    """All actions, by the time when they are due; those before the plan began first."""

    workload: Workload
    seed: int
    windows: tuple[Window, ...]
    actions: tuple[Action, ...] = field(repr=False)

    @property
    def posts(self) -> int:
        return sum(action.kind == "post" for action in self.actions)

    def digest(self) -> str:
        """Return the SHA-256 of all actions."""
        whole = hashlib.sha256()
        for action in self.actions:
            whole.update(action.line())
        return whole.hexdigest()

    def window_at(self, due: float) -> int:
        """Return the place of the window in which ``due`` lies; before the first it is the first."""
        return max(0, bisect.bisect_right([window.begin for window in self.windows], due) - 1)

    def segment(self, number: int, count: int) -> list[Action]:
        """Return what the ``number``-th of ``count`` processes does; users are dealt out like cards."""
        return [action for action in self.actions if action.user % count == number]


def make_schedule(workload: Workload, seed: int) -> Schedule:
    """Return the schedule of ``workload``. ``seed`` decides everything that is left open."""
    windows = tuple(_windows(workload))
    parts = [
        _enter(workload, windows, seed),
        _moves(workload, seed),
        _posts(workload, windows, seed),
        _asides(workload, seed),
        _stalls(workload, seed),
    ]
    drawn = sorted(itertools.chain(*parts), key=lambda action: action.due)
    return Schedule(workload, seed, windows, tuple(_settled(workload, drawn, random.Random(f"speakers {seed}"))))


def _windows(workload: Workload) -> Iterator[Window]:
    begin, connections = 0.0, workload.connections
    for phase in workload.phases:
        connections = connections if phase.connections is None else phase.connections
        yield Window(phase, begin, begin + phase.seconds, connections)
        begin += phase.seconds


def _enter(workload: Workload, windows: Sequence[Window], seed: int) -> Iterator[Action]:
    rooms = _rooms(workload, random.Random(f"rooms {seed}"))
    entered = workload.connections
    for user in range(entered):
        yield Action(BEFORE, "enter", user, rooms[user])
    for window in windows:
        newcomers = max(0, window.connections - entered)
        for number in range(newcomers):
            due = window.begin + (number + 0.5) * window.phase.seconds / newcomers
            yield Action(_microseconds(due), "enter", entered + number, rooms[entered + number])
        entered += newcomers


def _rooms(workload: Workload, dice: random.Random) -> list[int]:
    users = workload.most_connections
    if workload.sizes == "equal":
        return [user * workload.rooms // users for user in range(users)]
    weights = [1 / (place + 1) ** ZIPF for place in range(workload.rooms)]
    return dice.choices(range(workload.rooms), weights, k=users)


def _moves(workload: Workload, seed: int) -> Iterator[Action]:
    """Who moves where, and whose network fails: whom it befalls is drawn from all, and passed over who is not there."""
    dice = random.Random(f"moves {seed}")
    for due in _times(dice, workload.moves, 0.0, workload.duration, "poisson"):
        yield Action(due, "move", dice.randrange(workload.most_connections), dice.randrange(workload.rooms))
    dice = random.Random(f"cuts {seed}")
    for due in _times(dice, workload.cuts, 0.0, workload.duration, "poisson"):
        away = _microseconds(dice.uniform(*workload.away))
        yield Action(due, "cut", dice.randrange(workload.most_connections), seconds=away)


def _posts(workload: Workload, windows: Sequence[Window], seed: int) -> Iterator[Action]:
    dice = random.Random(f"posts {seed}")
    number = itertools.count()
    for window in windows:
        for due in _ramp(dice, window, workload):
            id_ = f"m{next(number):x}"
            text = " ".join([id_, *dice.choices(WORDS, k=dice.randint(*workload.words))])
            yield Action(due, "post", -1, id=id_, text=text)


def _ramp(dice: random.Random, window: Window, workload: Workload) -> Iterable[float]:
    phase = window.phase
    if phase.end_rate is None:
        return _times(dice, phase.rate, window.begin, window.end, workload.arrivals)
    highest = max(phase.rate, phase.end_rate)
    drawn = _times(dice, highest, window.begin, window.end, "poisson")

    def rate(due: float) -> float:
        return phase.rate + ((phase.end_rate or 0.0) - phase.rate) * (due - window.begin) / phase.seconds

    return [due for due in drawn if dice.random() * highest < rate(due)]  # thinned: a Poisson process again


def _asides(workload: Workload, seed: int) -> Iterator[Action]:
    if workload.requests:
        dice = random.Random(f"requests {seed}")
        for due in _times(dice, workload.requests.rate, 0.0, workload.duration, "constant"):
            yield Action(due, "request", 0, text=workload.requests.path)
    if workload.diagnostics:
        dice = random.Random(f"diagnostics {seed}")
        for due in _times(dice, workload.diagnostics.rate, workload.diagnostics.at, workload.duration, "constant"):
            yield Action(due, "diagnose", 0, text=workload.diagnostics.what, seconds=workload.diagnostics.seconds)


def _stalls(workload: Workload, seed: int) -> Iterator[Action]:
    if (stall := workload.stall) is None:
        return
    users = range(workload.most_connections)
    listeners = [user for user in users if not _speaks(workload, user)] or list(users)
    dice = random.Random(f"stalls {seed}")
    for user in sorted(dice.sample(listeners, min(len(listeners), max(1, round(stall.share * len(users)))))):
        yield Action(stall.at, "stall", user, seconds=-1.0 if stall.forever else stall.seconds)


def _speaks(workload: Workload, user: int) -> bool:
    if workload.speakers is None:
        return True
    rooms, users = workload.rooms, workload.most_connections
    room = user * rooms // users
    first = -(-room * users // rooms)
    return user - first < workload.speakers


def _settled(workload: Workload, drawn: Iterable[Action], dice: random.Random) -> Iterator[Action]:
    """Go through time once: give each post a speaker who is there then, and its audience; drop what befalls nobody."""
    room_of: dict[int, int] = {}
    members = [0] * workload.rooms
    speakers: list[int] = []
    for action in drawn:
        if action.kind == "enter":
            room_of[action.user] = action.room
            members[action.room] += 1
            if _speaks(workload, action.user):
                speakers.append(action.user)
        elif action.kind == "move" and (action.user not in room_of or room_of[action.user] == action.room):
            continue
        elif action.kind == "move":
            members[room_of[action.user]] -= 1
            members[action.room] += 1
            room_of[action.user] = action.room
        elif action.kind == "cut" and action.user not in room_of:
            continue
        elif action.kind == "post":
            if not speakers:
                continue
            user = dice.choice(speakers)
            room = room_of[user]
            yield Action(action.due, "post", user, room, action.id, action.text, audience=members[room])
            continue
        yield action


def _times(dice: random.Random, rate: float, begin: float, end: float, arrivals: str) -> Iterator[float]:
    if rate <= 0:
        return
    due = begin
    while True:
        due += dice.expovariate(rate) if arrivals == "poisson" else 1 / rate
        if due >= end:
            return
        yield _microseconds(due)


def _microseconds(seconds: float) -> float:
    """A time as short as it can be written: what is hashed does not hang on the last bit of a sum."""
    return round(seconds, 6)
