"""Redis killed, cut short and emptied: what was acknowledged is there or told to be lost; no offset means two things.

Each crash here is a SIGKILL; a cut takes the last transactions off the append-only file, as a power failure would.
"""

from collections.abc import Callable
from functools import partial

import pytest

from chat_core.frames import Position
from chat_core.log import Committed
from tests.scripts.store import BOB, ROOM, Store, decoded, place


def at(position: Position, offset: int) -> Position:
    return Position(epoch=position.epoch, offset=offset)


def resumed(store: Store, since: Position) -> list[int] | None:
    """The offsets that a client at this position gets; None where it is told that it cannot resume."""
    page = store.join(since)
    return [entry["offset"] for entry in decoded(page.entries)] if page.recovered else None


def test_clean_restart_keeps_every_position(mortal: Store) -> None:
    first, second = mortal.posted("one"), mortal.posted("two")
    mortal.crash()
    third = mortal.posted("three")
    assert (third.offset, third.epoch != first.epoch) == (3, True)
    assert resumed(mortal, at(first, 0)) == [1, 2, 3]
    assert resumed(mortal, second) == [3]
    assert resumed(mortal, third) == []
    assert resumed(mortal, at(first, 3)) is None, "the first epoch never had a third"
    entries = decoded(mortal.join(at(first, 0)).entries)
    assert [entry["epoch"] for entry in entries] == [first.epoch, first.epoch, third.epoch]


def test_lost_end_is_told_and_its_offsets_are_not_used_again(mortal: Store) -> None:
    acknowledged = [mortal.posted(str(number)) for number in range(10)]
    mortal.crash(commits=3)
    fresh = mortal.posted("after")
    acknowledged.append(fresh)
    assert (fresh.offset, fresh.epoch != acknowledged[0].epoch) == (8, True)
    for position in acknowledged[:7]:
        assert resumed(mortal, position) == list(range(position.offset + 1, 9))
    for position in acknowledged[7:10]:
        assert resumed(mortal, position) is None
        assert mortal.mark(position) == "gone"
        assert mortal.commit(mortal.edit(position, "x")) == ["gone"]
    mortal.commit(*(mortal.post() for _ in range(5)))
    for position in acknowledged[7:10]:
        assert resumed(mortal, position) is None, "also when the log is as long again"
        assert mortal.commit(mortal.delete(position), mortal.react(position)) == ["gone"] * 2
    assert len({(one.epoch, one.offset) for one in acknowledged}) == len(acknowledged)


def test_lost_message_is_written_again_under_its_id_and_a_kept_one_is_not(mortal: Store) -> None:
    kept, lost = mortal.post("kept", name="kept"), mortal.post("lost", name="lost")
    before = [*mortal.commit(kept), *mortal.commit(lost)]
    mortal.crash(commits=1)
    again = mortal.commit(kept, lost)
    assert again[0] == Committed(place(before[0]).epoch, 1, True)
    assert isinstance(again[1], Committed)
    assert (again[1].offset, again[1].duplicate, again[1].epoch != place(before[1]).epoch) == (2, False, True)
    assert [one["text"] for one in mortal.messages()] == ["kept", "lost"]


def test_lineage_of_several_restarts_honours_what_each_kept(mortal: Store) -> None:
    ends: list[Position] = []
    for lost in (0, 1, 0, 2):
        last = [mortal.posted() for _ in range(4)][-1]
        mortal.crash(commits=lost)
        page = mortal.join()
        ends.append(Position(epoch=last.epoch, offset=page.top))
        assert resumed(mortal, at(last, last.offset)) == (None if lost else [])
    assert len({end.epoch for end in ends}) == 4
    assert [end.offset for end in ends] == [4, 7, 11, 13]
    for end in ends:
        assert resumed(mortal, end) == list(range(end.offset + 1, 14))
        assert resumed(mortal, at(end, end.offset + 1)) is None


def test_epoch_that_was_itself_lost_is_not_honoured(mortal: Store) -> None:
    first = mortal.posted()
    mortal.crash()
    second = mortal.posted()
    mortal.crash(commits=1)  # and with it the very beginning of the second epoch
    third = mortal.posted()
    assert (second.offset, third.offset) == (2, 2)
    assert len({first.epoch, second.epoch, third.epoch}) == 3
    assert resumed(mortal, second) is None
    assert resumed(mortal, at(second, 1)) is None
    assert resumed(mortal, first) == [2]


@pytest.mark.parametrize("name", ["commit", "refused", "page", "more", "history", "mark", "probe"])
def test_every_script_that_tells_positions_notices_the_restart(mortal: Store, name: str) -> None:
    here = mortal.posted()
    before = mortal.redis.hget(mortal.key("meta"), "epoch")
    mortal.crash()
    ask: dict[str, Callable[[], object]] = {
        "commit": partial(mortal.posted),
        "refused": lambda: mortal.commit(mortal.edit(here, "x", by=BOB)),
        "page": mortal.join,
        "more": partial(mortal.page, here, mode="more"),
        "history": mortal.history,
        "mark": partial(mortal.mark, here),
        "probe": partial(mortal.probe, ROOM),
    }
    ask[name]()
    meta = mortal.redis.hgetall(mortal.key("meta"))
    assert meta[b"epoch"] != before
    assert meta[b"lineage"] == before + b":1"
    assert meta[b"run"].decode() == mortal.redis.info("server")["run_id"]
    ask[name]()
    assert mortal.redis.hget(mortal.key("meta"), "epoch") == meta[b"epoch"], "once is enough"


def test_probe_of_a_silent_room_tells_that_its_end_was_lost(mortal: Store) -> None:
    last = [mortal.posted() for _ in range(3)][-1]
    mortal.crash(commits=1)
    [(epoch, top)] = mortal.probe(ROOM).values()
    assert (epoch != last.epoch, top) == (True, 2)
    further = mortal.page(last, mode="more")
    assert further is not None
    assert not further.recovered
    assert mortal.posted() == Position(epoch=epoch, offset=3)


def test_probe_gives_every_room_and_every_term_its_own_epoch(mortal: Store) -> None:
    epochs = {mortal.posted(room=room).epoch for room in ("one", "two")}
    for _ in range(2):
        mortal.crash()
        epochs |= {epoch for epoch, _ in mortal.probe("one", "two").values()}
    assert len(epochs) == 6


@pytest.mark.parametrize("name", ["flushall", "meta"])
def test_room_whose_beginning_is_gone_starts_anew(store: Store, name: str) -> None:
    last = [store.posted(str(number)) for number in range(3)][-1]
    store.mark(last)
    if name == "flushall":
        store.redis.flushall()
    else:
        store.redis.delete(store.key("meta"))
    assert store.page(last, mode="more") is None
    page = store.join(at(last, 0))
    assert (page.recovered, page.top, page.entries, page.read) == (False, 0, [], None)
    fresh = store.posted("anew")
    assert (fresh.offset, fresh.epoch != last.epoch) == (1, True)
    assert [one["text"] for one in store.messages()] == ["anew"]
    assert resumed(store, at(last, 0)) is None


def test_log_that_is_longer_than_its_meta_says_is_believed(mortal: Store) -> None:
    last = [mortal.posted() for _ in range(3)][-1]
    mortal.redis.hset(mortal.key("meta"), "top", 1)
    mortal.crash()
    assert mortal.posted().offset == 4
    assert resumed(mortal, last) == [4]


def as_if_restarted(store: Store, times: int) -> None:
    """What a restart is to the scripts, without one: another run_id than the one that wrote last."""
    for _ in range(times):
        store.redis.hset(store.key("meta"), "run", "0" * 40)
        store.probe(ROOM)


def test_lineage_keeps_sixteen_epochs(store: Store) -> None:
    here = store.posted()
    as_if_restarted(store, 16)
    assert resumed(store, here) == []
    as_if_restarted(store, 1)
    assert resumed(store, here) is None
    lineage = store.redis.hget(store.key("meta"), "lineage")
    assert len(lineage.split(b",")) == 16


def test_message_can_be_edited_when_its_epoch_has_left_the_lineage(store: Store) -> None:
    here = store.posted("a")
    as_if_restarted(store, 20)
    store.commit(store.edit(here, "b"), store.react(here))
    assert [(one["text"], one["reactions"]) for one in store.messages()] == [("b", {"👍": ["a1"]})]
    assert store.commit(store.edit(at(here, 2), "c")) == ["stale_epoch"]


@pytest.mark.parametrize("restarts", [1, 20])
def test_read_marker_does_not_go_back_over_epochs(store: Store, restarts: int) -> None:
    store.commit(*(store.post() for _ in range(5)))
    marked = Position(epoch=store.join().epoch, offset=4)
    store.mark(marked)
    as_if_restarted(store, restarts)
    now = store.join()
    assert store.mark(Position(epoch=now.epoch, offset=3)) == "ok"
    assert store.join().read == marked
    assert store.mark(Position(epoch=now.epoch, offset=5)) == "ok"
    assert store.join().read == Position(epoch=now.epoch, offset=5)
