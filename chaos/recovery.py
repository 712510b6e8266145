"""How long a fault was felt, from the records alone."""

from collections.abc import Mapping, Sequence

from chaos.acts import WRITES
from chaos.history import Record


def recovery(clients: Mapping[str, Sequence[Record]], ended_at: float) -> float | None:
    """Return the seconds until every client had received something that was first sent after ``ended_at``.

    None where somebody never did.
    """
    fresh: set[str] = set()
    for records in clients.values():
        sent: dict[str, float] = {}
        for record in records:
            if record.did == "send" and record.what["type"] in WRITES:
                sent.setdefault(record.what["id"], record.at)
        fresh |= {id for id, at in sent.items() if at >= ended_at}
    firsts = [_first(records, fresh) for records in clients.values()]
    if not firsts or any(first is None for first in firsts):
        return None
    return max(first for first in firsts if first is not None) - ended_at


def _first(records: Sequence[Record], fresh: set[str]) -> float | None:
    for record in records:
        if record.did == "receive":
            what = record.what
            entries = what.get("messages") or what.get("result", {}).get("messages") or [what]
            if any(entry.get("id") in fresh for entry in entries):
                return record.at
    return None


def replays(records: Sequence[Record]) -> list[float]:
    """Return the seconds that each resume took, from the join to the last page of what was missed."""
    took: list[float] = []
    asked: tuple[int, float] | None = None
    for record in records:
        what = record.what
        if record.did == "send" and what["type"] == "join" and "since" in what:
            asked = what["ref"], record.at
        elif record.did == "lost":
            asked = None
        elif asked and record.did == "receive":
            mine = what["type"] == "reply" and what["ref"] == asked[0] and not what.get("result", {}).get("more", True)
            if mine or (what["type"] == "replay" and not what["more"]):
                took.append(record.at - asked[1])
                asked = None
    return took
