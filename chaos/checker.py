"""From records to findings: a pure function that holds a run to the promise of docs/design.md.

The log as it is in the end is the measure. Every acknowledged act is in it, once, where the acknowledgement said;
nothing else is in it; every member has what the log has, and shows what the log comes to. Only what a fault may have
taken (`History.losses`) may be missing, and then it must have been told to those who knew of it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chaos import shown
from chaos.acts import Ack, Act, Acts, Place, place
from chaos.findings import Account, Finding, Verdict
from chaos.history import History, Json, Loss
from chaos.reader import Phase, Reader
from chaos.shown import Shown, State
from chaos.walk import Sighting, Walk, where

Report = Callable[[Finding], None]


def check(history: History) -> Verdict:
    """Return what is wrong with a history, and its account."""
    return _Check(history).verdict()


@dataclass(slots=True)
class _Log:
    """One room's log at the end: entries from offset 0, and what they come to by what was asked."""

    entries: dict[int, Json]
    places: dict[Place, Json]
    state: State = field(default_factory=dict)
    by_act: dict[tuple[str, str], list[Json]] = field(default_factory=dict)

    @property
    def top(self) -> int:
        return max(self.entries, default=0)


class _Check:
    """The check of one history. What is found is found once per place, however many noticed."""

    def __init__(self, history: History) -> None:
        self._losses = history.losses
        self._audit = history.audit
        self._findings: dict[tuple[object, ...], Finding] = {}
        self._acts = Acts()
        self._walks = []
        for client, records in history.clients.items():
            self._acts.take(client, records)
            walk = Walk(client, self._report)
            walk.take(records)
            self._walks.append(walk)
        self._logs = {
            record.what["room"]: self._log(record.what["room"], record.what["entries"])
            for record in history.audit
            if record.did == "log"
        }

    def verdict(self) -> Verdict:
        for act in self._acts:
            self._check_act(act)
        for walk in self._walks:
            self._check_sightings(walk.sightings)
            for reader in walk.readers.values():
                self._check_told(reader)
                if walk.open and reader.phase is Phase.LIVE:
                    self._check_reader(reader)
        self._check_shown()
        self._check_presence()
        acked = sum(bool(act.acks) for act in self._acts)
        delivered = sum(reader.delivered for walk in self._walks for reader in walk.readers.values())
        return Verdict(list(self._findings.values()), Account(acked, delivered, self._acts.slowest_answer))

    def _report(self, finding: Finding) -> None:
        self._findings.setdefault((finding.kind, finding.room, finding.offset, finding.id, finding.client), finding)

    def _find(
        self, kind: str, room: str, offset: int | None, id: str | None, client: str | None, explanation: str
    ) -> None:
        self._report(Finding(kind, room, offset, id, client, explanation))

    # ---- the log itself ---------------------------------------------------------------------------------------------

    def _log(self, room: str, entries: list[Json]) -> _Log:
        log = _Log({entry["offset"]: entry for entry in entries}, {place(entry): entry for entry in entries})
        epochs: list[str] = []
        for number, entry in enumerate(entries, 1):
            if entry["offset"] != number:
                self._find("gap", room, entry["offset"], entry["id"], None, f"in the log where {number} was due")
            if entry["epoch"] not in epochs[-1:]:
                if entry["epoch"] in epochs:
                    self._find("epoch", room, number, entry["id"], None, f"{entry['epoch']} was over, and came back")
                epochs.append(entry["epoch"])
            self._check_entry(log, entry)
            asked_for = entry["type"] in ("message", "edited") and self._acts.of(entry)
            text = self._acts.text(entry) if asked_for else entry.get("text")
            shown.apply(log.state, entry | {"reactions": None}, text)
        return log

    def _check_entry(self, log: _Log, entry: Json) -> None:
        room, offset, id = entry["room"], entry["offset"], entry["id"]
        act = self._acts.of(entry)
        if act is None:
            self._find("foreign", room, offset, id, None, f"nobody asked for this {entry['type']}: {entry}")
            return
        if not act.matches(entry):
            self._find("altered", room, offset, id, None, f"asked was {act.asked[0]}, in the log is {entry}")
        if act.refused:
            self._find("unwanted", room, offset, id, None, f"it was refused: {', '.join(act.refusals)}")
        same = log.by_act.setdefault((act.user, act.id), [])
        if same:
            self._find("doubled", room, offset, id, None, f"in the log at {same[0]['offset']} already")
        same.append(entry)

    # ---- acts -------------------------------------------------------------------------------------------------------

    def _check_act(self, act: Act) -> None:
        if act.without_entry or act.room not in self._logs:
            return
        log = self._logs[act.room]
        fresh = [ack.place for ack in act.acks if not ack.duplicate]
        for again in {at for at in fresh if fresh.count(at) > 1}:
            self._find("doubled", act.room, again[1], act.id, None, "acknowledged twice, and never as a duplicate")
        for ack in act.acks:
            found = log.places.get(ack.place)
            if found and self._acts.of(found) is act:
                continue
            if self._may_be_lost(ack.sent_at, ack.at):
                self._check_poster_was_told(act, ack)
            elif elsewhere := log.by_act.get((act.user, act.id)):
                there = f"acknowledged at {ack.place}, in the log at {[place(entry) for entry in elsewhere]}"
                self._find("misplaced", act.room, ack.place[1], act.id, ack.client, there)
            else:
                instead = f"there is {found['id']}" if found else "there is nothing"
                lost = f"acknowledged at {ack.place}, where now {instead}"
                self._find("lost", act.room, ack.place[1], act.id, ack.client, lost)

    def _may_be_lost(self, sent_at: float, known_at: float) -> bool:
        """Whether a fault may have taken what was sent at one time and known to be there at another."""
        return any(loss.since <= known_at and sent_at <= loss.until for loss in self._losses)

    def _check_poster_was_told(self, act: Act, ack: Ack) -> None:
        reader = next(walk.readers[act.room] for walk in self._walks if walk.client == ack.client)
        if reader.phase is Phase.LIVE and not any(at >= ack.sent_at for at in reader.told_at):
            told = f"acknowledged at {ack.place} and lost, and its author joined on without a word"
            self._find("untold", act.room, ack.place[1], act.id, ack.client, told)

    # ---- what members got -------------------------------------------------------------------------------------------

    def _check_sightings(self, sightings: Iterable[Sighting]) -> None:
        for seen in sightings:
            room, at = where(seen)
            entry, act = seen.entry, self._acts.of(seen.entry)
            kept = self._logs[room].places.get(at) if room in self._logs else entry
            if act is None:
                self._find("foreign", room, at[1], entry["id"], None, f"nobody posted this {entry['type']}: {entry}")
            elif not act.matches(entry) or (kept and _core(kept) != _core(entry)):
                self._find("altered", room, at[1], entry["id"], seen.client, f"{entry} for {kept or act.asked[0]}")
            elif kept is None and not self._may_be_lost(act.first_sent_at, seen.at):
                self._find("vanished", room, at[1], entry["id"], seen.client, f"seen at {at}, not in the log")
            elif "text" in entry and entry["text"] not in self._acts.texts(entry):
                text = f"text {entry['text']!r} was never asked for"
                self._find("altered", room, at[1], entry["id"], seen.client, text)

    def _check_told(self, reader: Reader) -> None:
        for at in reader.told_at:
            if not any(loss.since <= at for loss in self._losses):
                self._find("needless", reader.room, None, None, reader.client, f"told at {at:.3f}; nothing was lost")

    def _check_reader(self, reader: Reader) -> None:
        """Hold a member that stayed to the end to the log."""
        log = self._logs.get(reader.room)
        if log is None:
            return
        for offset, entry in reader.entries.items():
            if place(entry) not in log.places:
                held = f"still shows {place(entry)}, which the log does not have, and was told of no loss"
                self._find("untold", reader.room, offset, entry["id"], reader.client, held)
        last = reader.position[1] if reader.position else 0
        for offset in range(last + 1, log.top + 1):
            due = f"never came to a member whose last is {last}"
            self._find("lost", reader.room, offset, log.entries[offset]["id"], reader.client, due)
        if last >= log.top:
            self._compare(reader.room, reader.client, reader.state, log.state)

    # ---- what it comes to -------------------------------------------------------------------------------------------

    def _check_shown(self) -> None:
        for record in self._audit:
            if record.did == "log":
                room = record.what["room"]
                self._compare(room, "replay", shown.derive(record.what["entries"]), self._logs[room].state)
            if record.did == "history":
                room = record.what["room"]
                state = {place(entry): shown.message(entry) for entry in record.what["messages"]}
                self._compare(room, "history", state, self._logs[room].state)
                for at in self._logs[room].state.keys() - state.keys():
                    self._find("lost", room, at[1], None, "history", "is in the log, and not in the history")

    def _compare(self, room: str, client: str, state: State, expected: State) -> None:
        for at, one in state.items():
            if at in expected and _said(one) != _said(expected[at]):
                differs = f"shows {_said(one)}; the log comes to {_said(expected[at])}"
                self._find("state", room, at[1], None, client, differs)

    def _check_presence(self) -> None:
        rooms: dict[str, set[str]] = {}
        live = [(walk, reader) for walk in self._walks if walk.open for reader in walk.readers.values()]
        live = [(walk, reader) for walk, reader in live if reader.joined_on]
        for walk, reader in live:
            rooms.setdefault(reader.room, set()).add(walk.user)
        for _, reader in live:
            self._compare_presence(reader.room, reader.client, reader.present, rooms[reader.room])
        for record in self._audit:
            if record.did == "members":
                what = record.what
                self._compare_presence(
                    what["room"], what["backend"], set(what["users"]), rooms.get(what["room"], set())
                )

    def _compare_presence(self, room: str, client: str, told: set[str], there: set[str]) -> None:
        if told != there:
            differs = f"ghosts {sorted(told - there)}, missing {sorted(there - told)}"
            self._find("presence", room, None, None, client, differs)


def _core(entry: Json) -> Json:
    """What of an entry never changes: its text may be edited, and history adds what became of it."""
    return {name: value for name, value in entry.items() if name not in ("text", "edited_at", "reactions")}


def _said(one: Shown) -> str:
    reactions = {emoji: sorted(users) for emoji, users in sorted(one.reactions.items())}
    return f"{one.text!r} {reactions or ''}".strip()


__all__ = ["Loss", "check"]
