"""`commit.lua`: what is acknowledged is in the log, once, at an offset that nothing else ever has."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from redis.exceptions import ResponseError

from chat_core.frames import Position
from chat_core.log import MAX_BATCH, Committed
from stack.redis import RedisServer
from tests.scripts.store import ANN, BOB, INDEX, ROOM, Store, blocks, decoded, place, published


def offsets(outcomes: object) -> list[object]:
    assert isinstance(outcomes, list)
    return [outcome.offset if isinstance(outcome, Committed) else outcome for outcome in outcomes]


def log_offsets(store: Store, room: str = ROOM) -> list[int]:
    return [int(entry.split(b"-")[0]) for entry, _ in store.redis.xrange(store.key("log", room))]


# ---- ids ----------------------------------------------------------------------------------------


def test_same_id_twice_in_one_batch_is_one_entry(store: Store) -> None:
    first, second = store.commit(store.post("a", name="same"), store.post("a", name="same"))
    assert isinstance(first, Committed)
    assert second == Committed(first.epoch, first.offset, True)
    assert not first.duplicate
    assert log_offsets(store) == [1]


def test_same_id_in_two_batches_is_one_entry(store: Store) -> None:
    [first] = store.commit(store.post("a", name="same"))
    store.posted("between")
    [second] = store.commit(store.post("a", name="same"))
    assert isinstance(first, Committed)
    assert second == Committed(first.epoch, first.offset, True)
    assert log_offsets(store) == [1, 2]


def test_same_id_from_two_processes_at_once_is_one_entry(store: Store, redis_server: RedisServer) -> None:
    def resend(_: int) -> object:
        with Store(redis_server) as process:
            return process.commit(process.post("a", name="same"))[0]

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(resend, range(4)))
    assert offsets(outcomes) == [1] * 4
    assert sorted(outcome.duplicate for outcome in outcomes if isinstance(outcome, Committed)) == [False] + [True] * 3


def test_same_id_with_other_content_is_a_conflict(store: Store) -> None:
    target = store.posted()
    for other in (
        store.post("b", name="same"),
        store.post("a", name="same", reply_to=target),
        store.react(target, name="same"),
    ):
        assert store.commit(store.post("a", name="same"), other)[1] == "id_conflict"
    assert log_offsets(store) == [1, 2]


def test_same_id_of_another_user_or_room_is_another_act(store: Store) -> None:
    outcomes = store.commit(
        store.post("a", name="same"), store.post("b", name="same", by=BOB), store.post("c", name="same", room="other")
    )
    assert offsets(outcomes) == [1, 2, 1]


def test_id_is_known_for_two_generations(store: Store) -> None:
    store.commit(store.post("a", name="same"))
    [key] = store.redis.keys(store.key("ids:*"))
    generation = int(key.rsplit(b":", 1)[1])
    assert 600 < store.redis.ttl(key) <= 1200
    store.redis.rename(key, store.key(f"ids:{generation - 1}"))
    assert store.commit(store.post("a", name="same"))[0] == Committed(store.join().epoch, 1, True)
    store.redis.rename(store.key(f"ids:{generation - 1}"), store.key(f"ids:{generation - 2}"))
    assert offsets(store.commit(store.post("a", name="same"))) == [2], "older than that, it is another act"


def test_refused_command_may_be_sent_again_when_it_can_be_carried_out(store: Store) -> None:
    target = store.posted()
    store.commit(store.react(target, on=False, name="same"))
    beyond = Position(epoch=target.epoch, offset=2)
    edit = store.edit(beyond, "b")
    assert store.commit(edit) == ["gone"]
    store.posted("a")
    assert offsets(store.commit(edit)) == [3]


# ---- batches ------------------------------------------------------------------------------------


def test_offsets_are_contiguous_within_and_over_batches(store: Store) -> None:
    for size in (1, 3, MAX_BATCH):
        store.commit(*(store.post() for _ in range(size)))
    assert log_offsets(store) == list(range(1, MAX_BATCH + 5))


def test_batch_of_several_rooms_is_one_publication_with_a_block_for_each(store: Store) -> None:
    subscription = store.listen()
    outcomes = store.commit(
        store.post("1", room="one"), store.post("2", room="two"), store.post("3", room="one", by=BOB)
    )
    assert offsets(outcomes) == [1, 1, 2]
    [data] = published(subscription)
    assert data.startswith(b"L")
    one, two = blocks(data)
    assert (one.room, one.first, one.last, two.room, two.first, two.last) == ("one", 1, 2, "two", 1, 1)
    messages = decoded(one.entries)
    assert [message["text"] for message in messages] == ["1", "3"]
    assert messages[1]["user"] == {"id": BOB.id, "name": BOB.name}
    assert messages[0]["at"] == one.at
    seconds, micros = store.redis.time()
    assert abs(one.at - (seconds + micros / 1e6)) < 60
    subscription.close()


def test_what_is_published_is_what_the_log_shows(store: Store) -> None:
    subscription = store.listen()
    text = 'quotes " back\\slash \n tab\t ünï 😀 %d %s </script>'
    target = place(*store.commit(store.post(text, name="a-b_C")))
    store.commit(store.react(target), store.post("re", reply_to=target))
    entries = [entry for data in published(subscription, 2) for block in blocks(data) for entry in block.entries]
    assert decoded(entries)[0]["text"] == text
    replayed = decoded(store.join(Position(epoch=target.epoch, offset=0)).entries)
    assert replayed[0].pop("reactions") == {"👍": [ANN.id]}
    assert replayed == decoded(entries)
    subscription.close()


def test_refused_commands_take_no_offset_and_publish_nothing(store: Store) -> None:
    target = store.posted(by=BOB)
    subscription = store.listen()
    outcomes = store.commit(store.edit(target, "mine now"), store.post("a"), store.delete(target), store.post("b"))
    assert offsets(outcomes) == ["forbidden", 2, "forbidden", 3]
    assert [(block.first, block.last) for block in blocks(*published(subscription))] == [(2, 3)]
    assert store.commit(store.delete(target)) == ["forbidden"]
    store.posted()
    assert blocks(*published(subscription))[0].first == 4
    subscription.close()


def test_room_is_listed_by_its_last_activity(store: Store) -> None:
    store.posted(room="one")
    store.posted(room="two")
    store.redis.zadd(INDEX, {"two": 5})
    store.posted(room="two")
    assert store.redis.zrange(INDEX, 0, -1) == [b"one", b"two"]
    seconds, _ = store.redis.time()
    assert abs(store.redis.zscore(INDEX, "two") / 1000 - seconds) < 60


def test_refused_command_creates_no_room(store: Store) -> None:
    nowhere = Position(epoch="0" * 16, offset=1)
    assert store.commit(store.edit(nowhere, "a"), store.react(nowhere)) == ["stale_epoch"] * 2
    assert store.redis.keys("*") == []


# ---- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["meta", "log", "state", "ids"])
def test_room_with_a_broken_key_fails_alone_and_keeps_nothing_of_the_attempt(store: Store, part: str) -> None:
    rooms = ("fine", "broken", "well")
    for room in rooms:
        store.posted(room=room)
    [ids] = store.redis.keys(store.key("ids:*", "broken"))
    key = ids if part == "ids" else store.key(part, "broken")
    whole = store.redis.dump(key)
    store.redis.delete(key)
    store.redis.set(key, "nonsense")
    before = store.dump()
    posts = {room: store.post("again", room=room) for room in rooms}
    assert offsets(store.commit(*posts.values())) == [2, "unavailable", 2]
    assert b"again" not in b"\n".join(line for line in store.dump().splitlines() if b"broken" in line)
    store.redis.delete(key)
    store.redis.restore(key, 0, whole)
    assert before != store.dump()
    assert store.commit(*posts.values()) == [
        Committed(store.join(room=room).epoch, 2, room != "broken") for room in rooms
    ], "once the key is mended, the same commands are carried out, each once"
    assert log_offsets(store, "broken") == [1, 2]


def test_a_broken_index_of_rooms_keeps_no_message_from_anybody(store: Store) -> None:
    store.redis.set(INDEX, "nonsense")
    subscription = store.listen()
    assert offsets(store.commit(store.post("one"), store.post("two", room="other"))) == [1, 1]
    [data] = published(subscription)
    assert [block.room for block in blocks(data)] == [ROOM, "other"]
    subscription.close()
    assert log_offsets(store, "other") == [1]


def test_full_memory_refuses_and_leaves_nothing_half_written(store: Store) -> None:
    store.posted()
    before = store.dump()
    posts = [store.post("again"), store.post("new", room="new")]
    store.redis.config_set("maxmemory", "1")
    try:
        assert store.commit(posts[0]) == ["unavailable"]
        assert store.dump() == before
        outcomes = offsets(store.commit(*posts))
    finally:
        store.redis.config_set("maxmemory", "0")
    assert outcomes == ["unavailable", "unavailable"]
    assert store.dump() == before
    assert offsets(store.commit(*posts)) == [2, 1]


@pytest.mark.parametrize("name", ["page", "history", "mark", "presence", "members", "probe", "forget"])
def test_full_memory_stops_no_reading(store: Store, name: str) -> None:
    here = store.posted()
    store.join()
    ask: dict[str, Callable[[], object]] = {
        "page": partial(store.page, here),
        "history": store.history,
        "mark": partial(store.mark, here),
        "presence": partial(store.announce, "p1", 25, {ROOM: b""}),
        "members": store.members,
        "probe": partial(store.probe, ROOM),
        "forget": partial(store.forget, 10),
    }
    store.redis.config_set("maxmemory", "1")
    try:
        if name == "mark":
            with pytest.raises(ResponseError, match=r"OOM|maxmemory"):
                ask[name]()
        else:
            ask[name]()
    finally:
        store.redis.config_set("maxmemory", "0")


# ---- trimming -----------------------------------------------------------------------------------


def test_log_and_state_are_trimmed_together(store: Store) -> None:
    store.history_length = 20
    for _ in range(30):
        store.commit(*(store.post() for _ in range(10)))
    low, *_, top = log_offsets(store)
    assert top == 300
    assert 20 <= top - low + 1 <= 2 * 20 + 10
    assert set(store.redis.hkeys(store.key("state"))) == {f"t{offset}".encode() for offset in range(low, top + 1)}
    assert store.join(Position(epoch=store.join().epoch, offset=low - 1)).recovered
    assert not store.join(Position(epoch=store.join().epoch, offset=low - 2)).recovered


@pytest.mark.parametrize("history", [1, 2, 100])
def test_no_state_outlives_the_entries_that_show_it(store: Store, history: int) -> None:
    store.history_length = history
    here = store.posted()
    for number in range(3 * history + 150):
        outcomes = store.commit(
            store.edit(here, f"edit {number}"), store.react(here, on=number % 2 == 0), store.post(f"post {number}")
        )
        if number % 3 == 0:
            here = place(outcomes[2])
        if number % 7 == 0:
            store.commit(store.delete(here))
    entries = store.redis.xrange(store.key("log"))
    shown = {int(entry.split(b"-")[0]) for entry, fields in entries if fields[b"k"] == b"m"}
    shown |= {int(fields[b"t"]) for _, fields in entries if fields[b"k"] == b"e"}
    assert {int(field[1:]) for field in store.redis.hkeys(store.key("state"))} <= shown


def test_edit_whose_message_was_trimmed_still_shows_the_last_text(store: Store) -> None:
    store.history_length = 10
    here = store.posted("first")
    store.commit(*(store.post() for _ in range(15)))
    [edited] = store.commit(store.edit(here, "last"))
    while log_offsets(store)[0] <= 1:
        store.commit(store.post())
    since = Position(epoch=here.epoch, offset=place(edited).offset - 1)
    assert decoded(store.join(since).entries)[0]["text"] == "last"
    assert store.commit(store.edit(here, "later"), store.delete(here), store.react(here)) == ["gone"] * 3
    while log_offsets(store)[0] <= place(edited).offset:
        store.commit(store.post())
    assert b"t1" not in store.redis.hkeys(store.key("state"))


def test_much_that_is_to_be_trimmed_is_trimmed_step_by_step(store: Store) -> None:
    for _ in range(10):
        store.commit(*(store.post() for _ in range(MAX_BATCH)))
    store.history_length = 5
    lengths = []
    for _ in range(5):
        store.posted()
        lengths.append(store.redis.xlen(store.key("log")))
    assert max(a - b for a, b in itertools.pairwise([2561, *lengths])) <= 1001
    assert lengths[-1] <= 5 + 64
