"""What travels on a shard's channel, envelope v1: one letter, then what the letter says.

``L`` log entries of several rooms (made by ``commit.lua``) · ``P`` presence of one process in a room · ``T`` typing ·
``R`` read marker · ``Q`` probe. A relay skips what concerns rooms without members here, unparsed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive log entries of one room; ``entries`` holds the JSON of each, ``at`` seconds by the clock of Redis."""

    room: str
    epoch: str
    first: int
    at: float
    entries: list[bytes]

    @property
    def last(self) -> int:
        """The offset of the last entry."""
        return self.first + len(self.entries) - 1

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return sum(map(len, self.entries))


def blocks(data: bytes, hosted: Callable[[str], bool]) -> Iterator[Block]:
    """Yield the blocks of an ``L`` envelope whose room is ``hosted`` here."""
    position = 1
    while position < len(data):
        line = data.index(b"\n", position)
        room, epoch, first, at, total, sizes = data[position:line].split(b" ")
        body = line + 1
        position = body + int(total)
        if not hosted(name := room.decode()):
            continue
        entries = []
        for size in sizes.split(b","):
            end = body + int(size)
            entries.append(data[body:end])
            body = end
        yield Block(name, epoch.decode(), int(first), float(at), entries)


@dataclass(frozen=True, slots=True)
class Marked:
    """A user has read a room up to a place."""

    room: str
    user: str
    epoch: str
    offset: int


def marked(data: bytes) -> Marked:
    """Return what an ``R`` envelope says."""
    room, user, epoch, offset = data[1:].decode().split(" ")
    return Marked(room, user, epoch, int(offset))


def typing(room: str, user_id: str, payload: bytes) -> bytes:
    """Return a ``T`` envelope: ``payload`` is the push as members are to get it."""
    return b"T%s %s\n%s" % (room.encode(), user_id.encode(), payload)


def presence(room: str, process: str, state: bytes) -> bytes:
    """Return a ``P`` envelope: ``state`` is the JSON of the process's users in the room."""
    return b"P%s %s\n%s" % (room.encode(), process.encode(), state)


def addressed(data: bytes) -> tuple[str, str, bytes]:
    """Return room, user or process, and body of a ``T`` or ``P`` envelope."""
    head, _, body = data[1:].partition(b"\n")
    room, who = head.decode().split(" ")
    return room, who, body
