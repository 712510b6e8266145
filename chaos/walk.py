"""One client's records, followed from the first to the last: its readers by room, and what it was sent of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from chaos.acts import WRITES, Place, place
from chaos.findings import Finding
from chaos.history import Json, Record
from chaos.reader import Phase, Reader

PATIENCE: Final = 5.0
"""Seconds after which a command without a reply on a connection that lasted is a finding."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An entry as one client was sent it."""

    at: float
    client: str
    entry: Json


@dataclass(slots=True)
class Walk:
    """See the module. ``open`` tells whether the connection lasted to the end."""

    client: str
    report: Callable[[Finding], None]
    user: str = ""
    open: bool = False
    readers: dict[str, Reader] = field(default_factory=dict)
    sightings: list[Sighting] = field(default_factory=list)
    _pending: dict[int, tuple[float, Json]] = field(default_factory=dict)
    _answered: dict[int, Json] = field(default_factory=dict)
    _asked_for: set[str] = field(default_factory=set)

    def take(self, records: Sequence[Record]) -> None:
        """Follow the records to their end."""
        steps = {"connect": self._connect, "send": self._send, "receive": self._receive, "lost": self._lost}
        for record in records:
            if step := steps.get(record.did):
                step(record)
        if self.open:
            for sent_at, frame in self._pending.values():
                if records[-1].at - sent_at > PATIENCE:
                    self._unanswered(frame, f"{frame['type']} had no reply after {records[-1].at - sent_at:.1f} s")

    def _connect(self, record: Record) -> None:
        self.user, self.open = record.what["user"], True
        self._pending, self._answered, self._asked_for = {}, {}, set()

    def _lost(self, record: Record) -> None:
        self.open = False
        self._pending = {}
        for reader in self.readers.values():
            reader.out()

    def _send(self, record: Record) -> None:
        frame = record.what
        self._pending[frame["ref"]] = record.at, frame
        if frame["type"] == "join":
            self._asked_for.add(frame["room"])
            self._reader(frame["room"]).asked(frame["ref"], frame.get("since"))
        elif frame["type"] == "leave":
            self._reader(frame["room"]).out()

    def _receive(self, record: Record) -> None:
        push = record.what
        if push["type"] == "reply":
            self._reply(record)
        elif push["type"] in WRITES.values():
            self._see(record.at, [push])
            if push["room"] not in self._asked_for:
                who = f"a {push['type']} came to a connection that never joined"
                self.report(Finding("uninvited", push["room"], push["offset"], push["id"], self.client, who))
            self._reader(push["room"]).pushed(push)
        elif push["type"] == "replay":
            self._see(record.at, push["messages"])
            self._reader(push["room"]).replayed(push)
        elif push["type"] == "reset":
            self._reader(push["room"]).reset(record.at)
        elif push["type"] == "presence":
            self._reader(push["room"]).presence(push)

    def _reply(self, record: Record) -> None:
        ref = record.what["ref"]
        _, frame = self._pending.pop(ref, (0.0, None))
        if frame is None:
            again = "a second reply" if ref in self._answered else "a reply to nothing"
            self._unanswered(self._answered.get(ref, {}), f"{again}, with ref {ref}")
            return
        self._answered[ref] = frame
        if frame["type"] != "join":
            return
        reader, result = self._reader(frame["room"]), record.what.get("result")
        if reader.phase is not Phase.ASKED or reader.asked_ref != ref:
            return  # it has left, or asked again
        if result is None:
            reader.out()
        else:
            self._see(record.at, result["messages"])
            reader.joined(result, frame.get("since"), record.at)

    def _reader(self, room: str) -> Reader:
        if room not in self.readers:
            self.readers[room] = Reader(self.client, room, self.report)
        return self.readers[room]

    def _see(self, at: float, entries: Sequence[Json]) -> None:
        self.sightings += [Sighting(at, self.client, entry) for entry in entries]

    def _unanswered(self, frame: Json, explanation: str) -> None:
        self.report(Finding("unanswered", frame.get("room", ""), None, frame.get("id"), self.client, explanation))


def where(sighting: Sighting) -> tuple[str, Place]:
    """Return the room and the place of what was seen."""
    return sighting.entry["room"], place(sighting.entry)
