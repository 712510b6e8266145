"""What clients wrote down during a run: one append-only file of JSON lines for each, kept when something was found.

A line is {"at": seconds by one clock for all, "did": …, "what": …}. A client did

    connect   what: {"user": id, "name": …, "to": name of the backend}
    send      what: the command, as sent
    receive   what: the reply or push, as received
    lost      what: {"code": …}: the connection is over; nothing of it follows
    end       what: {}: from here on nothing is written down, whatever still happens

The file of the audit, which is read when all is quiet, has

    log       what: {"room", "entries"}: a replay from offset 0
    history   what: {"room", "messages"}: all pages of the room's history by REST
    members   what: {"room", "backend", "users": [ids]}: who is there, by REST

and `run.json` what was done: {"losses": [[since, until], …], …}. What was written between those two moments a fault
may have taken away, for Redis was given back older data; then it has to be told.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

Json = dict[str, Any]

RUN: Final = "run.json"
AUDIT: Final = "audit.jsonl"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened to one client."""

    at: float
    did: str
    what: Json


@dataclass(frozen=True, slots=True)
class Loss:
    """What was written from ``since`` on and asked for before ``until`` may be gone."""

    since: float
    until: float


@dataclass(slots=True)
class History:
    """All records of a run: by client, of the audit, and what the run did to the servers' memory."""

    clients: dict[str, list[Record]] = field(default_factory=dict)
    audit: list[Record] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what ``Recorder`` and the run wrote. Raises OSError and ValueError where it is not there or damaged."""
        run = json.loads((directory / RUN).read_text())
        files = sorted(path for path in directory.glob("*.jsonl") if path.name != AUDIT)
        return cls(
            {path.stem: list(_records(path)) for path in files},
            list(_records(directory / AUDIT)),
            [Loss(since, until) for since, until in run["losses"]],
        )


def _records(path: Path) -> Iterator[Record]:
    with path.open() as lines:
        for line in lines:
            raw = json.loads(line)
            yield Record(raw["at"], raw["did"], raw["what"])


class Recorder:
    """Writes down what happens to one client, in memory and in its file. After ``end`` nothing more is taken.

    Without a path it takes nothing at all, for runs that last for hours.
    """

    def __init__(self, path: Path | None) -> None:
        self.records: list[Record] = []
        self._file = path.open("a") if path else None

    def note(self, did: str, what: Json, text: str | None = None) -> None:
        """Take one record; ``text`` is ``what`` as JSON where that is at hand."""
        if self._file is None:
            return
        at = time.monotonic()
        self.records.append(Record(at, did, what))
        self._file.write(f'{{"at":{at:.6f},"did":"{did}","what":{text or json.dumps(what)}}}\n')

    def end(self) -> None:
        """From here on nothing is written down."""
        self.note("end", {})
        if self._file:
            self._file.close()
        self._file = None
