"""Who did not get what they should have, and why: the last page of a process's books."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Any

from loadtest.connection import Phase
from loadtest.crew.member import User
from loadtest.crew.users import Crew


def losses(crew: Crew, tops: Mapping[str, int], audience: Mapping[str, int], settled: bool) -> dict[str, int]:
    """Return deliveries by cause; what a member missed that stayed is noted in the ledger as lost.

    ``tops`` are the highest offsets acknowledged to anybody. Where a backlog remains (not ``settled``), what stays
    away is not lost yet: nobody can tell.
    """
    found: Counter[str] = Counter()
    times = crew.books.arrived_by_room()
    found["client gap"] = crew.lost_before_leaving
    found["publish refused"] = crew.books.unplaced(audience, answered=True)
    found["publish refused" if settled else "backlog"] += crew.books.unplaced(audience, answered=False)
    found["not sent"] = crew.unsent_audience
    for user in crew.users.values():
        if not user.wanted:
            continue
        found["reset"] += user.missed_to_reset
        found["not in yet"] += _missed_while_waiting(crew, user, times)
        top = tops.get(crew.room_of(user).reference.room, 0)
        if _stays(user):
            lost = _lost(user, top)
            if lost and settled:
                note = f"{lost} in {crew.room_of(user).reference.room} by connection {user.number}"
                crew.books.faults.note("lost", lost, note)
            found["client gap" if settled else "backlog"] += lost
        else:
            found[_cause(user)] += _missed_outside(crew, user, top, times)
    return {cause: count for cause, count in found.items() if count}


def _stays(user: User) -> bool:
    return user.connection is not None and user.connection.phase is Phase.JOINED and not user.stalled


def _lost(user: User, top: int) -> int:
    connection = user.connection
    if connection is None:
        return 0
    reference = connection.follower.reference
    tail = max(0, top - max(reference.highest, connection.follower.position))
    return connection.follower.lost + tail


def _missed_while_waiting(crew: Crew, user: User, times: Mapping[str, list[float]]) -> int:
    waits = [wait for wait in user.waits if wait[2] > max(wait[1], crew.began)]
    return sum(_between(times.get(room, []), since, until) for room, since, until in waits)


def _between(times: list[float], since: float, until: float) -> int:
    """Return how many of the ordered ``times`` lie between the two."""
    return bisect_left(times, until) - bisect_left(times, since)


def _missed_outside(crew: Crew, user: User, top: int, times: Mapping[str, list[float]]) -> int:
    """What a user lacks who is not inside at the end."""
    reference = crew.room_of(user).reference
    top = max(top, reference.highest)
    if user.connection is not None and user.connection.phase is Phase.JOINED:
        return max(0, top - user.connection.follower.position)
    if user.offset is not None:
        return max(0, top - user.offset)
    return _between(times.get(reference.room, []), user.intended, float("inf"))


def _cause(user: User) -> str:
    if user.stalled:
        return "closed as slow" if user.ended else "socket dead"
    if user.offset is None:
        return "never got in"
    return "server restarted" if "1012" in user.ended else "socket dead"


def as_record(found: Mapping[str, int], counters: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return losses by cause for the record; ``counters`` are what the server counted in the meantime."""
    rows = []
    for cause, deliveries in sorted(found.items()):
        name, detail = cause, ""
        if cause == "client gap":
            gaps = counters.get("chat_bus_reconnects_total", 0) + counters.get("chat_gaps_filled_total", 0)
            name = "bus gap" if gaps else "client gap"
            detail = f"the server saw {gaps:.0f} gaps of its bus" if gaps else "later entries came, or others got it"
        elif cause == "closed as slow":
            detail = f"the server closed {counters.get('chat_slow_consumers_total', 0):.0f} connections as slow"
        elif cause == "publish refused":
            detail = "posts refused, or not answered when their connection was lost"
        elif cause == "not sent":
            detail = "posts that were due while their speaker was not inside"
        rows.append({"cause": name, "deliveries": deliveries, "detail": detail})
    return rows
