"""Read markers, presence and forgetting: `mark.lua`, `presence.lua`, `members.lua`, `forget.lua`, `probe.lua`."""

from chat_core.frames import Position
from tests.scripts.store import BOB, INDEX, ROOM, Store, published


def position(offset: int, like: Position) -> Position:
    return Position(epoch=like.epoch, offset=offset)


def set_expiry(store: Store, process: str, seconds_from_now: int) -> None:
    """As if the process had spoken that much earlier or later."""
    now, _ = store.redis.time()
    state = store.redis.hget(store.key("presence"), process).partition(b" ")[2]
    store.redis.hset(store.key("presence"), process, b"%d %s" % (now + seconds_from_now, state))


# ---- read markers -------------------------------------------------------------------------------


def test_read_marker_goes_on_and_never_back(store: Store) -> None:
    store.commit(*(store.post() for _ in range(5)))
    here = Position(epoch=store.join().epoch, offset=3)
    assert store.join().read is None
    assert store.mark(here) == "ok"
    assert store.mark(position(1, here)) == "ok"
    assert store.join().read == here
    assert store.mark(position(5, here)) == "ok"
    assert store.join().read == position(5, here)
    assert store.join(user=BOB.id).read is None


def test_read_marker_is_told_only_where_it_went_on(store: Store) -> None:
    here = store.posted()
    subscription = store.listen()
    store.mark(here)
    store.mark(here)
    store.mark(position(0, here))
    store.probe(ROOM)
    assert published(subscription, 2) == [f"R{ROOM} a1 {here.epoch} 1".encode(), b"Qp1"]
    subscription.close()


def test_read_marker_beyond_the_end_or_of_another_log_is_refused(store: Store) -> None:
    here = store.posted()
    assert store.mark(position(2, here)) == "gone"
    assert store.mark(Position(epoch="f" * 16, offset=1)) == "stale_epoch"
    assert store.mark(here, room="elsewhere") == "gone"
    assert store.join().read is None


# ---- presence -----------------------------------------------------------------------------------


def test_presence_is_kept_by_process_and_given_to_who_joins(store: Store) -> None:
    store.join()
    store.announce("p1", 25, {ROOM: b'{"count":1,"users":{"a":"Ann \\n Lee"}}'})
    store.announce("p2", 25, {ROOM: b'{"count":2,"users":{"b":"Bob"}}', "other": b'{"count":0,"users":{}}'})
    found = store.join().presence
    assert {process: (one.state.count, one.state.users) for process, one in found.items()} == {
        "p1": (1, {"a": "Ann \n Lee"}),
        "p2": (2, {"b": "Bob"}),
    }
    assert all(24 <= one.lifetime <= 25 for one in found.values())
    members = store.members()
    assert members is not None
    assert members[0::2] == [b"p1", b"p2"]
    assert members[1].partition(b" ")[2].startswith(b'{"count":1')
    assert store.page(mode="more") is not None
    assert store.redis.ttl(store.key("presence")) == 50


def test_presence_of_a_silent_process_is_shown_no_more_and_removed_by_the_next_to_speak(store: Store) -> None:
    store.join()
    for process in ("silent", "alive"):
        store.announce(process, 25, {ROOM: b'{"count":1,"users":{}}'})
    set_expiry(store, "silent", -1)
    assert list(store.join().presence) == ["alive"]
    assert (store.members() or [])[0::2] == [b"alive"]
    assert store.redis.hexists(store.key("presence"), "silent")
    store.announce("alive", 25, {ROOM: b'{"count":1,"users":{}}'})
    assert not store.redis.hexists(store.key("presence"), "silent")


def test_record_says_how_long_it_is_still_good(store: Store) -> None:
    store.join()
    store.announce("p1", 25, {ROOM: b'{"count":1,"users":{}}'})
    set_expiry(store, "p1", 7)
    assert 6 <= store.join().presence["p1"].lifetime <= 7


def test_process_that_leaves_takes_its_record_along_and_says_so(store: Store) -> None:
    subscription = store.listen()
    store.announce("p1", 25, {ROOM: b'{"count":1,"users":{}}'}, b"Pcame")
    store.announce("p1", 25, {ROOM: b""}, b"Pleft")
    assert published(subscription, 2) == [b"Pcame", b"Pleft"]
    assert not store.redis.exists(store.key("presence"))
    subscription.close()


# ---- forgetting ---------------------------------------------------------------------------------


def test_room_where_nothing_happened_for_long_is_forgotten_whole(store: Store) -> None:
    here = store.posted("s3cr3t")
    store.mark(here)
    store.redis.zadd(INDEX, {ROOM: 1})
    store.posted(room="busy")
    assert store.forget(30) == [ROOM.encode()]
    left = {key.decode() for key in store.redis.keys("*") if b":ids:" not in key}
    assert left == {INDEX, *(store.key(part, "busy") for part in ("meta", "log", "state"))}
    assert b"s3cr3t" not in store.dump()
    page = store.join(here)
    assert (page.recovered, page.top, page.epoch != here.epoch) == (False, 0, True)


def test_id_used_in_a_forgotten_room_is_new_in_the_next(store: Store) -> None:
    store.commit(store.post("a", name="same"))
    store.redis.zadd(INDEX, {ROOM: 1})
    store.forget(30)
    store.commit(store.post("b", name="same"))
    assert [one["text"] for one in store.messages()] == ["b"]


def test_room_with_somebody_in_it_is_not_forgotten(store: Store) -> None:
    store.posted()
    store.announce("p1", 25, {ROOM: b'{"count":1,"users":{}}'})
    store.redis.zadd(INDEX, {ROOM: 1})
    assert store.forget(30) == []
    assert store.join().top == 1


def test_rooms_are_forgotten_a_few_at_a_time_and_the_occupied_do_not_stand_in_the_way(store: Store) -> None:
    for number in range(5):
        store.posted(room=f"r{number}")
        store.redis.zadd(INDEX, {f"r{number}": number + 1})
    store.announce("p1", 25, {"r0": b"{}", "r1": b"{}"})
    assert store.forget(30, most=2) == []
    assert store.forget(30, most=2) == [b"r2", b"r3"]
    assert store.forget(30, most=2) == [b"r4"]


# ---- the probe ----------------------------------------------------------------------------------


def test_probe_says_where_rooms_are_and_comes_behind_what_was_published(store: Store) -> None:
    subscription = store.listen()
    here = store.posted()
    assert store.probe(ROOM, "nowhere") == {ROOM: (here.epoch, 1), "nowhere": ("", 0)}
    data = published(subscription, 2)
    assert (data[0][:1], data[1]) == (b"L", b"Qp1")
    subscription.close()


def test_probe_leaves_out_a_room_that_cannot_be_read(store: Store) -> None:
    here = store.posted()
    store.redis.set(store.key("meta", "broken"), "nonsense")
    assert store.probe("broken", ROOM) == {ROOM: (here.epoch, 1)}
