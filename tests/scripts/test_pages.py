"""`page.lua` and `history.lua`: what a member has yet to see, and what others read."""

import pytest

from chat_core.frames import Position
from chat_core.log import NEWEST_MESSAGES, PAGE_BYTES, PAGE_ENTRIES, Page
from tests.scripts.store import BOB, INDEX, ROOM, Store, decoded, place


def at(page: Page, offset: int) -> Position:
    return Position(epoch=page.epoch, offset=offset)


def offsets(page: Page) -> list[int]:
    return [entry["offset"] for entry in decoded(page.entries)]


def read_on(store: Store, since: Position) -> list[Page]:
    """All pages from a place to the log's end."""
    pages = [store.join(since)]
    while pages[-1].more:
        page = store.page(at(pages[-1], pages[-1].offset), mode="more")
        assert page is not None
        assert page.offset > pages[-1].offset
        pages.append(page)
    return pages


def test_first_join_creates_the_room_and_finds_it_empty(store: Store) -> None:
    page = store.join()
    assert (page.top, page.offset, page.more, page.recovered, page.entries) == (0, 0, False, False, [])
    assert store.join().epoch == page.epoch
    assert store.redis.zrange(INDEX, 0, -1) == [ROOM.encode()]
    assert store.posted() == at(page, 1)


def test_reading_on_or_looking_creates_no_room(store: Store) -> None:
    assert store.page(mode="more") is None
    assert store.history() is None
    assert store.members() is None
    assert store.probe(ROOM) == {ROOM: ("", 0)}
    assert store.mark(Position(epoch="0" * 16, offset=0)) == "gone"
    assert store.redis.keys("*") == []


def test_join_shows_the_newest_fifty_messages_as_they_are_now(store: Store) -> None:
    positions = [store.posted(str(number)) for number in range(60)]
    store.commit(
        store.edit(positions[20], "edited"), store.delete(positions[30]), *(store.react(one) for one in positions)
    )
    page = store.join()
    shown = decoded(page.entries)
    assert [entry["offset"] for entry in shown] == list(range(11, 61))
    assert len(shown) == NEWEST_MESSAGES
    assert {entry["type"] for entry in shown} == {"message"}
    assert shown[10]["text"] == "edited"
    assert shown[20]["text"] is None
    assert shown[0]["reactions"] == {"👍": ["a1"]}
    assert (page.offset, page.top, page.more, page.recovered) == (122 - 1, 121, False, False)


def test_join_shows_no_more_bytes_than_a_page_has(store: Store) -> None:
    store.commit(*(store.post("x" * 4000) for _ in range(50)))
    page = store.join()
    assert sum(map(len, page.entries)) <= PAGE_BYTES
    assert offsets(page)[-1] == 50
    assert 25 < len(page.entries) < 50
    assert not page.more


@pytest.mark.parametrize("behind", [0, 1, 199, 200, 201, 400, 450])
def test_pages_of_a_resume_are_bounded_and_leave_nothing_out(store: Store, behind: int) -> None:
    start = store.posted()
    for first in range(0, behind, 150):
        store.commit(*(store.post() for _ in range(min(150, behind - first))))
    pages = read_on(store, start)
    assert [offset for page in pages for offset in offsets(page)] == list(range(2, behind + 2))
    assert [len(page.entries) for page in pages[:-1]] == [PAGE_ENTRIES] * (len(pages) - 1)
    assert all(page.recovered for page in pages)
    assert (pages[-1].offset, pages[-1].top) == (behind + 1, behind + 1)


def test_pages_are_bounded_by_bytes(store: Store) -> None:
    start = store.posted()
    store.commit(*(store.post("ü" * 4000) for _ in range(60)))
    pages = read_on(store, start)
    assert [offset for page in pages for offset in offsets(page)] == list(range(2, 62))
    for page in pages:
        assert sum(map(len, page.entries)) <= PAGE_BYTES
    assert len(pages) == 4


def test_entry_larger_than_a_page_is_a_page(store: Store) -> None:
    start = store.posted()
    store.commit(store.post("x" * (PAGE_BYTES + 1)), store.post("y"))
    assert [offsets(page) for page in read_on(store, start)] == [[2], [3]]


def test_replay_has_every_entry_and_not_only_messages(store: Store) -> None:
    here = store.posted()
    store.commit(store.edit(here, "b"), store.react(here, by=BOB), store.delete(here))
    replayed = decoded(store.join(Position(epoch=here.epoch, offset=0)).entries)
    assert [entry["type"] for entry in replayed] == ["message", "edited", "reacted", "deleted"]


@pytest.mark.parametrize("offset", [3, 2**53 - 1])
def test_position_beyond_the_end_is_not_honoured(store: Store, offset: int) -> None:
    here = store.posted()
    store.posted()
    page = store.join(Position(epoch=here.epoch, offset=offset))
    assert (page.recovered, offsets(page)) == (False, [1, 2])
    further = store.page(Position(epoch=here.epoch, offset=offset), mode="more")
    assert further is not None
    assert (further.recovered, further.entries, further.offset, further.more) == (False, [], 2, False)


def test_position_of_an_unknown_epoch_is_not_honoured(store: Store) -> None:
    store.posted()
    assert not store.join(Position(epoch="f" * 16, offset=0)).recovered


def test_log_with_a_hole_is_not_passed_off_as_whole(store: Store) -> None:
    here = store.posted()
    store.commit(*(store.post() for _ in range(9)))
    store.redis.xdel(store.key("log"), "5-0")
    assert not store.join(here).recovered
    assert store.join(Position(epoch=here.epoch, offset=5)).recovered
    store.redis.delete(store.key("log"))
    further = store.page(here, mode="more")
    assert further is not None
    assert (further.recovered, further.more) == (False, False)


def test_history_counts_messages_alone(store: Store) -> None:
    messages = []
    for number in range(10):
        here = store.posted(str(number))
        messages.append(here.offset)
        store.commit(*(store.react(here, on=on) for on in (True, False) * 40))
    assert [one["offset"] for one in store.messages(limit=3)] == messages[-3:]
    assert [one["offset"] for one in store.messages(before=messages[5], limit=3)] == messages[2:5]
    assert [one["offset"] for one in store.messages(before=messages[5] + 7, limit=3)] == messages[3:6]
    assert [one["offset"] for one in store.messages(after=messages[5], limit=3)] == messages[6:9]
    assert [one["offset"] for one in store.messages(after=messages[5] - 7, limit=3)] == messages[5:8]
    assert [one["offset"] for one in store.messages(limit=99)] == messages


@pytest.mark.parametrize(
    ("before", "after", "limit", "shown", "more"),
    [
        (None, None, 5, [1, 2, 3, 4, 5], False),
        (None, None, 4, [2, 3, 4, 5], True),
        (3, None, 2, [1, 2], False),
        (3, None, 1, [2], True),
        (1, None, 5, [], False),
        (0, None, 5, [], False),
        (2**53 - 1, None, 1, [5], True),
        (None, 0, 5, [1, 2, 3, 4, 5], False),
        (None, 3, 1, [4], True),
        (None, 4, 1, [5], False),
        (None, 5, 1, [], False),
        (None, 2**53 - 1, 1, [], False),
    ],
)
def test_history_before_and_after_says_whether_there_is_more(
    store: Store, before: int | None, after: int | None, limit: int, shown: list[int], more: bool
) -> None:
    store.commit(*(store.post() for _ in range(5)))
    found = store.history(before, after, limit)
    assert found is not None
    assert ([one["offset"] for one in decoded(found.messages)], found.more, found.top) == (shown, more, 5)


def test_history_reads_past_many_entries_that_are_no_messages(store: Store) -> None:
    first = store.posted("first")
    for _ in range(4):
        store.commit(*(store.react(first, on=on) for on in (True, False) * 100))
    last = place(*store.commit(store.post("last")))
    assert [one["text"] for one in decoded(store.join().entries)] == ["first", "last"]
    assert [one["text"] for one in store.messages(before=last.offset)] == ["first"]
    assert [one["text"] for one in store.messages(after=first.offset)] == ["last"]
