"""Who posts what and when, decided from a seed before anything runs: the same seed gives the same bytes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SAYING: Final = (
    "the quick answer is that nobody knows yet but we are going to measure it tonight and see who was right about "
    "threads and loops and everything else that people like to argue over while the coffee gets cold"
)
WORDS: Final = SAYING.split()


@dataclass(frozen=True, slots=True)
class Shape:
    """How many rooms of how many members, and how many members of each room ever speak."""

    name: str
    title: str
    rooms: int
    members: int
    speakers: int

    @property
    def connections(self) -> int:
        return self.rooms * self.members


SHAPES: Final = {
    shape.name: shape
    for shape in (
        Shape("one-500", "one room of 500", 1, 500, 500),
        Shape("one-5000", "one room of 5,000", 1, 5000, 5000),
        Shape("200x5", "200 rooms of 5", 200, 5, 5),
        Shape("1to1", "1 speaker and 1 listener", 1, 2, 1),
    )
}


@dataclass(frozen=True, slots=True)
class Post:
    """One message: ``due`` is seconds from the start of the step, ``speaker`` the number of the connection."""

    due: float
    speaker: int
    id: str
    text: str


def members_of(shape: Shape, room: int) -> range:
    """Return the numbers of the connections that are members of ``room``."""
    return range(room * shape.members, (room + 1) * shape.members)


def room_of(shape: Shape, connection: int) -> int:
    """Return the number of the room of which ``connection`` is a member."""
    return connection // shape.members


def make_plan(shape: Shape, rate: float, duration: float, seed: int, label: str) -> list[Post]:
    """Return ``rate`` posts a second for ``duration`` seconds, by many people who do not know of each other.

    Times are those of a Poisson process, speakers are drawn from all who speak. ``label`` makes the ids of this plan
    differ from those of others; it takes what an id may hold.
    """
    dice = random.Random(f"{seed} {shape.name} {rate} {duration} {label}")
    posts: list[Post] = []
    due = dice.expovariate(rate)
    while due < duration:
        room, speaker = dice.randrange(shape.rooms), dice.randrange(shape.speakers)
        id_ = f"{label}-{len(posts)}"
        posts.append(Post(due, room * shape.members + speaker, id_, _text(dice, id_)))
        due += dice.expovariate(rate)
    return posts


def _text(dice: random.Random, id_: str) -> str:
    """What people say is short: 5 to 20 words, and the id, so that no two messages are alike."""
    return " ".join([id_, *_words(dice, dice.randint(5, 20))])


def _words(dice: random.Random, count: int) -> Sequence[str]:
    return dice.choices(WORDS, k=count)
