"""What was asked to be written, and what became of it as far as the clients were told."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from chaos.history import Json, Record

WRITES: Final = {"post": "message", "edit": "edited", "delete": "deleted", "react": "reacted"}
"""Commands that write, and the entries that they become."""

Place = tuple[str, int]
"""Epoch and offset."""


def place(value: Json) -> Place:
    """Return the position in anything that has one."""
    return value["epoch"], value["offset"]


@dataclass(frozen=True, slots=True)
class Ack:
    """Somebody was told that an act is in the log: when it was sent, when answered, where it is."""

    sent_at: float
    at: float
    place: Place
    duplicate: bool
    client: str


@dataclass(slots=True)
class Act:
    """One id of one user. ``refusals`` are those that say that nothing was written."""

    room: str
    user: str
    id: str
    first_sent_at: float
    asked: list[Json] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether every attempt was answered with a definite no."""
        return len(self.refusals) == len(self.asked)

    @property
    def without_entry(self) -> bool:
        """Whether it may have changed nothing, and so have been acknowledged without an entry of its own."""
        return all(frame["type"] == "react" for frame in self.asked) and all(ack.duplicate for ack in self.acks)

    def matches(self, entry: Json) -> bool:
        """Whether ``entry`` is what was asked; its text is a matter of edits."""
        return entry["room"] == self.room and any(_same(frame, entry) for frame in self.asked)


def _same(frame: Json, entry: Json) -> bool:
    if WRITES[frame["type"]] != entry["type"]:
        return False
    if frame["type"] == "react" and (frame["emoji"], frame.get("on", True)) != (entry["emoji"], entry["on"]):
        return False
    return frame.get("target") == entry.get("target") and frame.get("reply_to") == entry.get("reply_to")


@dataclass(slots=True)
class Acts:
    """All acts of a run, by user and id, and the texts that each message may have had."""

    by_id: dict[tuple[str, str], Act] = field(default_factory=dict)
    slowest_answer: float = 0.0
    _edits: dict[tuple[str, Place], set[str | None]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Act]:
        return iter(self.by_id.values())

    def of(self, entry: Json) -> Act | None:
        """Return the act that became ``entry``, or None where nobody asked for any such thing."""
        return self.by_id.get((entry["user"]["id"], entry["id"]))

    def text(self, entry: Json) -> str | None:
        """Return the text that was asked for in ``entry``, which is a message or an edit."""
        act = self.of(entry)
        asked = next((f for f in act.asked if _same(f, entry)), None) if act else None
        return unicodedata.normalize("NFC", asked["text"]) if asked else None

    def texts(self, entry: Json) -> set[str | None]:
        """Return the texts with which ``entry``, a message or an edit, may be read: edited later, or deleted."""
        about = place(entry["target"]) if entry["type"] == "edited" else place(entry)
        return {self.text(entry)} | self._edits.get((entry["room"], about), set())

    def take(self, client: str, records: Iterable[Record]) -> None:
        """Take what one client asked and was answered."""
        user, pending = "", dict[int, tuple[float, Json]]()
        for record in records:
            what = record.what
            if record.did == "connect":
                user, pending = what["user"], {}
            elif record.did == "send" and what["type"] in WRITES:
                pending[what["ref"]] = record.at, what
                self._asked(user, record.at, what)
            elif record.did == "receive" and what["type"] == "reply" and what["ref"] in pending:
                sent_at, frame = pending.pop(what["ref"])
                self.slowest_answer = max(self.slowest_answer, record.at - sent_at)
                self._answered(self.by_id[user, frame["id"]], client, sent_at, record)

    def _asked(self, user: str, at: float, frame: Json) -> None:
        act = self.by_id.setdefault((user, frame["id"]), Act(frame["room"], user, frame["id"], at))
        act.first_sent_at = min(act.first_sent_at, at)
        act.asked.append(frame)
        if frame["type"] in ("edit", "delete"):
            text = unicodedata.normalize("NFC", frame["text"]) if frame["type"] == "edit" else None
            self._edits.setdefault((frame["room"], place(frame["target"])), set()).add(text)

    @staticmethod
    def _answered(act: Act, client: str, sent_at: float, record: Record) -> None:
        if result := record.what.get("result"):
            act.acks.append(Ack(sent_at, record.at, place(result), result["duplicate"], client))
        elif record.what["error"]["code"] != "unavailable":
            act.refusals.append(record.what["error"]["code"])
