"""Golden vectors: frames as they travel, by the name of their message in the AsyncAPI document, and by what they show.

From a conversation of Ada and Bob; the tests of both languages hold their code to them.
"""

from typing import Final

from chat_core.frames import Json

_ADA: Final = {"id": "56fc75dbd1794f53", "name": "Ada"}
_BOB: Final = {"id": "0ef6780142d68232", "name": "Bob"}
_EPOCH: Final = "16892a0683050d93"


def _at(offset: int) -> Json:
    return {"epoch": _EPOCH, "offset": offset}


def _command(kind: str, ref: int, **fields: object) -> Json:
    return {"type": kind, "ref": ref, "room": "lobby", **fields}


def _entry(kind: str, offset: int, id: str, user: Json, **fields: object) -> Json:
    head = {"type": kind, "room": "lobby", "epoch": _EPOCH, "offset": offset, "at": 1795388740.5 + offset / 8}
    return {**head, "id": id, "user": user, **fields}


def _push(kind: str, **fields: object) -> Json:
    return {"type": kind, "room": "lobby", **fields}


def _reply(ref: int, **fields: object) -> Json:
    return {"type": "reply", "ref": ref, "result": fields}


def _refusal(ref: int | None, code: str, message: str, **fields: object) -> Json:
    return {"type": "reply", "ref": ref, "error": {"code": code, "message": message, **fields}}


_HELO: Final = _entry("message", 1, "3fK9-1", _ADA, text="Helo")
_EDITED: Final = _entry("edited", 2, "3fK9-2", _ADA, target=_at(1), text="Hello")
_REACTED: Final = _entry("reacted", 3, "Y9m-1", _BOB, target=_at(1), emoji="👋", on=True)
_ANSWER: Final = _entry("message", 4, "Y9m-2", _BOB, text="Hi, Ada", reply_to=_at(1))
_DELETED: Final = _entry("deleted", 6, "3fK9-4", _ADA, target=_at(5))
_GONE: Final = _entry("message", 5, "3fK9-3", _ADA, text=None)
_FIRST: Final = {**_HELO, "text": "Hello", "edited_at": _EDITED["at"], "reactions": {"👋": [_BOB["id"]]}}
_HERE: Final = {"count": 2, "users": [_ADA, _BOB], "sampled": False}

VECTORS: Final[dict[str, dict[str, Json]]] = {
    "Join": {
        "first": _command("join", 1),
        "resuming": _command("join", 2, since=_at(4)),
    },
    "Leave": {"leaving": _command("leave", 3)},
    "Post": {
        "a message": _command("post", 4, id="3fK9-1", text="Helo"),
        "an answer": _command("post", 5, id="Y9m-2", text="Hi, Ada", reply_to=_at(1)),
    },
    "Edit": {"a correction": _command("edit", 6, id="3fK9-2", target=_at(1), text="Hello")},
    "Delete": {"taken back": _command("delete", 7, id="3fK9-4", target=_at(5))},
    "React": {
        "put on": _command("react", 8, id="Y9m-1", target=_at(1), emoji="👋", on=True),
        "taken off": _command("react", 9, id="Y9m-3", target=_at(1), emoji="👋", on=False),
    },
    "Typing": {"writing": _command("typing", 10)},
    "Read": {"read": _command("read", 11, **_at(2))},
    "Message": {
        "a message": _HELO,
        "an answer": _ANSWER,
        "in history: edited, with reactions": _FIRST,
        "in history: deleted": _GONE,
    },
    "Edited": {"a correction": _EDITED},
    "Deleted": {"taken back": _DELETED},
    "Reacted": {"put on": _REACTED},
    "Replay": {"the last page": _push("replay", messages=[_GONE, _DELETED], more=False)},
    "Reset": {"the log's end was lost": _push("reset", epoch="c0ffee0683050d93", offset=2)},
    "PresencePush": {
        "full state": _push("presence", members=_HERE, count=2),
        "who came": _push("presence", count=2, joins=[_BOB], leaves=[]),
        "who left": _push("presence", count=1, joins=[], leaves=[_BOB["id"]]),
    },
    "TypingPush": {"somebody writes": _push("typing", user=_BOB)},
    "ReadPush": {"read elsewhere": _push("read", **_at(2))},
    "Notice": {
        "degraded": {"type": "notice", "notice": "degraded"},
        "restored": {"type": "notice", "notice": "restored"},
        "draining": {"type": "notice", "notice": "draining", "reconnect_in": 0.4},
    },
    "JoinResultReply": {
        "first": _reply(1, **_at(4), recovered=False, messages=[_FIRST, _ANSWER], more=False, members=_HERE, read=None),
        "resumed": _reply(
            2, **_at(6), recovered=True, messages=[_GONE, _DELETED], more=False, members=_HERE, read=_at(2)
        ),
    },
    "CommitResultReply": {
        "written": _reply(4, **_at(1), duplicate=False),
        "written before": _reply(4, **_at(1), duplicate=True),
    },
    "EmptyReply": {"done": _reply(3)},
    "RefusalReply": {
        "too many": _refusal(4, "rate_limited", "too many commands", retry_after=0.25),
        "an id used again": _refusal(4, "id_conflict", "this id was used for something else"),
        "not a command": _refusal(None, "malformed", "Invalid JSON: expected value at line 1 column 1"),
    },
}
