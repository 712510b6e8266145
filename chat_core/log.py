"""What is asked of a room's log and what it answers: the arguments and results of the scripts in ``lua/``."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal, Self, cast

from chat_core import keys
from chat_core.codec import dump
from chat_core.frames import Delete, Edit, Position, Post, React, RefusalCode, User
from chat_core.presence import Record, record

MAX_BATCH: Final = 256
"""Most commands in one call of the commit script."""

PAGE_ENTRIES: Final = 200
PAGE_BYTES: Final = 128 * 1024
NEWEST_MESSAGES: Final = 50


class Unavailable(Exception):
    """Redis did not answer in time or at all. Whether a command was carried out is unknown."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script with its prelude. ``sha`` is what EVALSHA takes."""

    source: str
    sha: str


@cache
def script(name: str) -> Script:
    """Return the script ``lua/<name>.lua`` behind its prelude ``lua/room.lua``."""
    folder = Path(__file__).parent / "lua"
    source = (folder / "room.lua").read_text() + (folder / f"{name}.lua").read_text()
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def fresh_epoch() -> str:
    """Return a name for a new epoch: 16 random hexadecimal digits."""
    return secrets.token_hex(8)


Commitment = Post | Edit | Delete | React
"""The commands that make log entries."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, prepared once for all that they will write: ``json`` is the user as entries show it."""

    id: str
    json: str
    flags: str

    @classmethod
    def of(cls, user: User, *, moderator: bool) -> Self:
        """Return ``user`` as an author."""
        return cls(user.id, user.model_dump_json(), "*" if moderator else "")


@dataclass(frozen=True, slots=True)
class Write:
    """One entry to be made: ``arguments`` is one stride of the commit script's."""

    room: str
    arguments: tuple[str, ...]


def write(command: Commitment, author: Author) -> Write:
    """Return what the commit script is to do for ``command`` of ``author``."""
    kind, text, target, emoji, more, flags = _parts(command)
    # The same id again is the same act only if this is the same; nothing else of a command is what was asked.
    digest = hashlib.blake2s(f"{kind}{text}{more}".encode(), digest_size=8).hexdigest()
    head = f'"id":"{command.id}","user":{author.json}{more}'
    place = (target.epoch, str(target.offset)) if target else ("", "")
    stride = (command.room, kind, author.id, command.id, digest, head, text, *place, emoji, flags + author.flags)
    return Write(command.room, stride)


def _parts(command: Commitment) -> tuple[str, str, Position | None, str, str, str]:
    """Return kind, text as JSON, target, emoji, the JSON of what else the entry says, and flags."""
    match command:
        case Post():
            more = f',"reply_to":{position(command.reply_to)}' if command.reply_to else ""
            return "m", dump(command.text), None, "", more, ""
        case Edit():
            return "e", dump(command.text), command.target, "", f',"target":{position(command.target)}', ""
        case Delete():
            return "d", "", command.target, "", f',"target":{position(command.target)}', ""
        case React():
            more = f',"target":{position(command.target)},"emoji":{dump(command.emoji)},"on":{dump(command.on)}'
            return "r", "", command.target, command.emoji, more, "1" if command.on else ""


def position(place: Position) -> str:
    """Return ``place`` as JSON."""
    return f'{{"epoch":"{place.epoch}","offset":{place.offset}}}'


@dataclass(frozen=True, slots=True)
class Committed:
    """The entry is in the log."""

    epoch: str
    offset: int
    duplicate: bool

    def json(self) -> str:
        """Return it as a CommitResult."""
        return f'{{"epoch":"{self.epoch}","offset":{self.offset},"duplicate":{"true" if self.duplicate else "false"}}}'


Outcome = Committed | RefusalCode
"""What became of one command of a batch."""


def commit_arguments(shard: int, history: int, writes: Sequence[Write]) -> list[str]:
    """Return KEYS and ARGV of ``commit.lua`` for at most MAX_BATCH writes of one shard."""
    arguments = [keys.room_index(shard), keys.room_prefix(shard), keys.channel(shard), fresh_epoch(), str(history)]
    for item in writes:
        arguments.extend(item.arguments)
    return arguments


def outcome(result: bytes) -> Outcome:
    """Return the outcome in one result of ``commit.lua``."""
    words = result.split()
    if words[0] == b"ok":
        return Committed(words[1].decode(), int(words[2]), words[3] == b"1")
    return cast(RefusalCode, result.decode())


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a room's log as of one moment. ``offset`` is where the page ends; with ``more``, the log goes on."""

    epoch: str
    top: int
    recovered: bool
    offset: int
    more: bool
    read: Position | None
    presence: dict[str, Record]
    entries: list[bytes]


def page_arguments(
    shard: int, room: str, mode: Literal["join", "more"], since: Position | None, user: str = ""
) -> list[str]:
    """Return KEYS and ARGV of ``page.lua``."""
    place = [since.epoch, str(since.offset)] if since else ["", ""]
    bounds = [str(PAGE_ENTRIES), str(PAGE_BYTES), str(NEWEST_MESSAGES)]
    return [keys.room_index(shard), keys.room_prefix(shard), room, fresh_epoch(), mode, *place, *bounds, user]


def page(result: list[object] | None) -> Page | None:
    """Return the page in the result of ``page.lua``; None where there is no such room."""
    if result is None:
        return None
    epoch, top, recovered, offset, more, read, presence, entries = cast(
        tuple[bytes, int, int, int, int, bytes, list[bytes], list[bytes]], result
    )
    flat = iter(presence)
    return Page(
        epoch.decode(),
        top,
        recovered == 1,
        offset,
        more == 1,
        _position(read),
        {process.decode(): record(value) for process, value in zip(flat, flat, strict=True)},
        entries,
    )


def _position(text: bytes) -> Position | None:
    if not text:
        return None
    epoch, offset = text.decode().split(":")
    return Position(epoch=epoch, offset=int(offset))


@dataclass(frozen=True, slots=True)
class History:
    """Messages of a room for people who read without joining."""

    epoch: str
    top: int
    more: bool
    messages: list[bytes]


def history_arguments(shard: int, room: str, before: int | None, after: int | None, limit: int) -> list[str]:
    """Return KEYS and ARGV of ``history.lua``."""
    bounds = ["" if bound is None else str(bound) for bound in (before, after)]
    return [keys.room_index(shard), keys.room_prefix(shard), room, fresh_epoch(), *bounds, str(limit)]


def history(result: list[object] | None) -> History | None:
    """Return the history in the result of ``history.lua``; None where there is no such room."""
    if result is None:
        return None
    epoch, top, more, messages = cast(tuple[bytes, int, int, list[bytes]], result)
    return History(epoch.decode(), top, more == 1, messages)


def mark_arguments(shard: int, room: str, user: str, position: Position) -> list[str]:
    """Return KEYS and ARGV of ``mark.lua``."""
    prefix = [keys.room_index(shard), keys.room_prefix(shard), room, fresh_epoch(), keys.channel(shard)]
    return [*prefix, user, position.epoch, str(position.offset)]


def tops(rooms: Sequence[str], result: Sequence[bytes]) -> dict[str, tuple[str, int]]:
    """Return epoch and top per room in the result of ``probe.lua``; an empty epoch where there is no such room.

    A room that cannot be read is left out.
    """
    found = {}
    for room, place in zip(rooms, result, strict=True):
        epoch, _, top = place.decode().partition(":")
        if epoch != "?":
            found[room] = (epoch, int(top or 0))
    return found
