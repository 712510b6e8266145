"""Histories written by hand: a room that does all it should, and every way to let something go wrong."""

import itertools
from typing import Any

from chaos.checker import check
from chaos.findings import Verdict
from chaos.history import History, Json, Loss, Record

ROOM = "lobby"


def epoch(number: int) -> str:
    """The name of the nth epoch."""
    return f"{number:016x}"


class Author:
    """A client that writes down what a story says happened to it."""

    def __init__(self, story: "Story", name: str) -> None:
        self.name = name
        self.records: list[Record] = []
        self.position: Json | None = None
        self.live = False
        self._story = story
        self._refs = itertools.count(1)

    def note(self, did: str, **what: Any) -> None:
        self.records.append(Record(next(self._story.clock), did, what))

    def connect(self) -> None:
        self.note("connect", user=self.name, name=self.name, to="async")

    def lose(self) -> None:
        self.live = False
        self.note("lost", code=1006)

    def send(self, kind: str, **fields: Any) -> int:
        """A command goes out; its ref is returned."""
        ref = next(self._refs)
        self.note("send", type=kind, ref=ref, room=ROOM, **fields)
        return ref

    def reply(self, ref: int, **result: Any) -> None:
        self.note("receive", type="reply", ref=ref, result=result)

    def refuse(self, ref: int, code: str) -> None:
        self.note("receive", type="reply", ref=ref, error={"code": code, "message": code})

    def push(self, entry: Json) -> None:
        self.note("receive", **entry)
        self.position = {"epoch": entry["epoch"], "offset": entry["offset"]}

    def join(self, *, resume: bool = False, recovered: bool | None = None, pages: int = 1) -> None:
        """Join, and get what the log has; in ``pages`` where it is a resume."""
        story, since = self._story, self.position if resume else None
        ref = self.send("join", **({"since": since} if since else {}))
        recovered = resume if recovered is None else recovered
        missed = story.log[since["offset"] :] if since and recovered else story.messages()
        size = -(-len(missed) // pages) or 1
        first, rest = missed[:size], [missed[at : at + size] for at in range(size, len(missed), size)]
        end = first[-1]["offset"] if rest else len(story.log)
        self.live = True
        users = [{"id": one.name, "name": one.name} for one in story.authors.values() if one.live]
        members = {"count": len(users), "users": users, "sampled": False}
        position = {"epoch": story.epoch, "offset": end}
        self.reply(ref, **position, recovered=recovered, messages=first, more=bool(rest), members=members, read=None)
        for number, page in enumerate(rest):
            self.note("receive", type="replay", room=ROOM, messages=page, more=number < len(rest) - 1)
        self.position = {"epoch": story.epoch, "offset": len(story.log)}
        story.tell_presence(self)

    def leave(self) -> None:
        self.reply(self.send("leave"))
        self.live = False
        self._story.tell_presence(self)

    def reset(self) -> None:
        """What it has is gone, and it is told."""
        self.live, self.position = False, None
        self.note("receive", type="reset", room=ROOM, epoch=self._story.epoch, offset=len(self._story.log))

    def write(self, kind: str, id: str, *, skip: tuple[str, ...] = (), **fields: Any) -> Json:
        """A command that is carried out, acknowledged, and told to all that are there but those in ``skip``."""
        ref = self.send(kind, id=id, **fields)
        entry = self._story.append(self.name, kind, id, **fields)
        self._story.tell(entry, skip)
        self.acknowledge(ref, entry)
        return entry

    def acknowledge(self, ref: int, entry: Json, *, duplicate: bool = False) -> None:
        self.reply(ref, epoch=entry["epoch"], offset=entry["offset"], duplicate=duplicate)

    def post(self, id: str, *, skip: tuple[str, ...] = (), **fields: Any) -> Json:
        return self.write("post", id, skip=skip, text=f"text of {id}", **fields)


class Story:
    """A room without faults: it is for the one who tells it to leave something out."""

    def __init__(self, *names: str) -> None:
        self.clock = itertools.count(1.0)
        self.epoch = epoch(1)
        self.log: list[Json] = []
        self.losses: list[Loss] = []
        self.authors = {name: Author(self, name) for name in names}
        self.history: list[Json] | None = None
        """What REST has to say; None: what the log comes to."""
        for author in self.authors.values():
            author.connect()
            author.join()

    def __getitem__(self, name: str) -> Author:
        return self.authors[name]

    def append(self, user: str, kind: str, id: str, **fields: Any) -> Json:
        entry = {
            "type": {"post": "message", "edit": "edited", "delete": "deleted", "react": "reacted"}[kind],
            "room": ROOM,
            "epoch": self.epoch,
            "offset": len(self.log) + 1,
            "at": 1.0,
            "id": id,
            "user": {"id": user, "name": user},
            **fields,
        }
        self.log.append(entry)
        return entry

    def tell(self, entry: Json, skip: tuple[str, ...] = ()) -> None:
        for author in self.authors.values():
            if author.live and author.name not in skip:
                author.push(entry)

    def tell_presence(self, who: Author) -> None:
        there = {"joins": [{"id": who.name, "name": who.name}], "leaves": []} if who.live else {"leaves": [who.name]}
        for author in self.authors.values():
            if author.live:
                author.note("receive", type="presence", room=ROOM, count=1, **there)

    def messages(self) -> list[Json]:
        """The messages as history has them."""
        shown = {entry["offset"]: dict(entry) for entry in self.log if entry["type"] == "message"}
        for entry in self.log:
            about = shown.get(entry.get("target", {}).get("offset"), {})
            if entry["type"] == "edited":
                about["text"] = entry["text"]
            elif entry["type"] == "deleted":
                about["text"] = None
                about.pop("reactions", None)
            elif entry["type"] == "reacted":
                about.setdefault("reactions", {})[entry["emoji"]] = [entry["user"]["id"]] if entry["on"] else []
        return list(shown.values())

    def lose(self, keep: int, since: float) -> None:
        """Redis comes back with the first ``keep`` entries, in a new epoch."""
        del self.log[keep:]
        self.losses.append(Loss(since, next(self.clock)))
        self.epoch = epoch(int(self.epoch, 16) + 1)

    def end(self) -> History:
        """What was written down, once all is quiet."""
        users = [author.name for author in self.authors.values() if author.live]
        messages = self.messages() if self.history is None else self.history
        audit = [
            Record(next(self.clock), "members", {"room": ROOM, "backend": "async", "users": users}),
            Record(next(self.clock), "log", {"room": ROOM, "entries": self.log}),
            Record(next(self.clock), "history", {"room": ROOM, "messages": messages}),
        ]
        for author in self.authors.values():
            author.note("end")
        return History({author.name: author.records for author in self.authors.values()}, audit, self.losses)

    def verdict(self) -> Verdict:
        return check(self.end())


def target(entry: Json) -> Json:
    """The position of an entry, as a command names it."""
    return {"epoch": entry["epoch"], "offset": entry["offset"]}
