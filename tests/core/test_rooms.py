"""The join barrier and the gaps: each member gets each entry once and in order, whatever the order of things."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_core.envelope import Block
from chat_core.frames import User
from chat_core.rooms import HELD_BYTES, MOST_HELD, TAIL_BYTES, TAIL_ENTRIES, Admission, Room, Tail
from tests.core.world import ROOM, Client, World, at, block, entries, entry, epoch, page

ANN = User(id="ann", name="Ann")
A, B = epoch(1), epoch(2)


def room_with(*members: str, top: int = 0) -> Room[str]:
    """A room whose members have everything up to `top`."""
    room: Room[str] = Room(ROOM)
    for member in members:
        room.enter(member, User(id=member, name=member))
        assert room.admit(member, page(at(top)), b"hello")[0] is Admission.LIVE
    return room


def parked(room: Room[str]) -> bool:
    return room.parked


def taken(room: Room[str]) -> list[bytes]:
    flush = room.take()
    return flush.payloads if flush else []


# ---- the barrier ---------------------------------------------------------------------------------


def test_message_published_while_joining_is_neither_lost_nor_repeated() -> None:
    for page_end in (4, 5):  # the page was read before or after the message was written
        room: Room[str] = Room(ROOM)
        room.enter("ann", ANN)
        room.receive(block(5))
        admission, payloads = room.admit("ann", page(at(page_end)), b"hello")
        assert admission is Admission.LIVE
        assert payloads == [b"hello", *entries(page_end + 1, 5)]
        assert room.take() is None


def test_first_to_join_gets_at_once_what_was_held_for_them() -> None:
    room: Room[str] = Room(ROOM)
    room.enter("ann", ANN)
    room.receive(block(5, 6))
    room.receive(block(7))
    assert room.admit("ann", page(at(5)), b"hello") == (Admission.LIVE, [b"hello", *entries(6, 7)])
    assert room.top == 7


def test_joiner_ahead_of_the_room_waits_for_the_flush_that_reaches_it() -> None:
    room = room_with("bob", top=4)
    room.enter("ann", ANN)
    assert room.admit("ann", page(at(6)), b"hello") == (Admission.WAIT, [])
    room.receive(block(5))
    assert taken(room) == entries(5, 5)
    assert room.settle() == []
    room.receive(block(6, 7))
    flush = room.take()
    assert flush is not None
    assert flush.members == ("bob",)
    assert room.settle() == [("ann", Admission.LIVE, [b"hello", *entries(7, 7)])]


def test_joiner_gets_from_the_tail_what_was_flushed_while_it_read() -> None:
    room = room_with("bob", top=4)
    room.enter("ann", ANN)
    room.receive(block(5, 6))
    room.take()
    assert room.admit("ann", page(at(4)), b"hello") == (Admission.LIVE, [b"hello", *entries(5, 6)])


def test_what_is_pending_when_somebody_goes_live_reaches_them_by_the_flush_alone() -> None:
    room = room_with("bob", top=4)
    room.enter("ann", ANN)
    room.receive(block(5))
    assert room.admit("ann", page(at(4)), b"hello") == (Admission.LIVE, [b"hello"])
    flush = room.take()
    assert flush is not None
    assert (flush.payloads, set(flush.members)) == (entries(5, 5), {"ann", "bob"})


def test_joiner_whose_entries_left_the_tail_needs_another_page() -> None:
    room = room_with("bob", top=0)
    room.enter("ann", ANN)
    room.receive(block(1, TAIL_ENTRIES + 1))
    room.take()
    assert room.admit("ann", page(at(0)), b"hello") == (Admission.BEHIND, [])
    assert "ann" in room.joining
    assert room.admit("ann", page(at(1)), b"more")[1] == [b"more", *entries(2, TAIL_ENTRIES + 1)]


def test_snapshot_of_a_flush_is_not_touched_by_who_comes_and_goes() -> None:
    room = room_with("bob", "cleo", top=0)
    room.receive(block(1))
    flush = room.take()
    room.leave("bob", 0.0)
    assert flush is not None
    assert flush.members == ("bob", "cleo")
    room.receive(block(2))
    following = room.take()
    assert following is not None
    assert following.members == ("cleo",)


def test_flush_takes_no_more_than_asked_and_joiners_land_between() -> None:
    room = room_with("bob", top=0)
    room.receive(block(1, 5))
    flush = room.take(2)
    assert flush is not None
    assert (flush.payloads, room.top) == (entries(1, 2), 2)
    room.enter("ann", ANN)
    assert room.admit("ann", page(at(1)), b"hello") == (Admission.LIVE, [b"hello", *entries(2, 2)])
    following = room.take(2)
    assert following is not None
    assert (following.payloads, following.members) == (entries(3, 4), ("bob", "ann"))
    assert taken(room) == entries(5, 5)


def test_flush_takes_no_more_bytes_than_asked_but_always_an_entry() -> None:
    room = room_with("bob", top=0)
    room.receive(block(1, 5))
    size = len(entries(1, 1)[0])
    flushes = [room.take(0, 2 * size), room.take(0, 1), room.take(1, 9 * size), room.take(0, 9 * size)]
    assert [(len(flush.payloads), flush.full) for flush in flushes if flush] == [
        (2, True),
        (1, True),
        (1, False),
        (1, False),
    ]
    assert [payload for flush in flushes if flush for payload in flush.payloads] == entries(1, 5)


def test_who_leaves_while_joining_is_never_let_in() -> None:
    room = room_with("bob", top=0)
    room.enter("ann", ANN)
    room.admit("ann", page(at(1)), b"hello")
    room.leave("ann", 0.0)
    room.receive(block(1))
    room.take()
    assert room.settle() == []
    assert list(room.members) == ["bob"]


def orders(*threads: list[str]) -> Iterator[tuple[str, ...]]:
    """Every interleaving that keeps each thread's own order."""
    alive = [thread for thread in threads if thread]
    if not alive:
        yield ()
    for place, thread in enumerate(alive):
        for rest in orders(*alive[:place], thread[1:], *alive[place + 1 :]):
            yield (thread[0], *rest)


def play(world: World, steps: tuple[str, ...]) -> None:
    actions: dict[str, Callable[[], object]] = {
        "commit": world.commit,
        "edit": lambda: world.commit("edited"),
        "deliver": world.deliver,
        "flush": world.flush,
        "lose": world.lose,
        "probe": world.probe,
        "read": world.read_for_fill,
        "fill": world.fill,
        "restart": lambda: world.log.restart(0),
        "cut": lambda: world.log.restart(2),
        "vanish": world.log.vanish,
    }
    for step in steps:
        name, _, number = step.partition(" ")
        if number:
            client = world.clients[int(number)]
            if name == "advance":
                client.advance()
            elif not client.busy and (name == "join" or client.joined):
                client.ask(name)
                client.advance()
        else:
            actions[name]()


JOIN = ["join 0", "advance 0", "advance 0"]
"""Entered, page read, admitted."""
WRITE = ["commit", "deliver", "flush"]


def test_every_interleaving_of_one_join_with_two_messages() -> None:
    every = set(orders(JOIN, WRITE, WRITE))
    assert len(every) == 420, "9! / (3! 3! 3!), less those in which the messages only change places"
    for steps in every:
        world = World()
        world.log.commit()
        play(world, steps)
        world.settle()
        world.check()


def test_every_interleaving_of_a_second_join_with_a_message_and_an_edit() -> None:
    for steps in orders(JOIN, WRITE, ["edit", "deliver", "flush"]):
        world = World(2)
        world.clients[1].ask("join")
        world.clients[1].finish()
        play(world, steps)
        world.settle()
        world.check()


def test_every_interleaving_of_two_joins_with_a_message() -> None:
    for steps in orders(JOIN, [step.replace("0", "1") for step in JOIN], WRITE):
        world = World(2)
        world.log.commit()
        play(world, steps)
        world.settle()
        world.check()


def test_every_interleaving_of_a_join_with_one_clean_restart() -> None:
    for steps, ending in itertools.product(orders(JOIN, WRITE, ["restart"]), ("restart", "cut", "vanish")):
        world = World(2)
        world.clients[1].ask("join")
        world.clients[1].finish()
        play(world, (*("commit", "deliver", "flush") * 2, *(ending if step == "restart" else step for step in steps)))
        world.settle()
        world.check()


STEPS = [
    *("commit", "edit", "deliver", "flush") * 4,
    *("lose", "probe", "read", "fill", "restart", "cut", "vanish"),
    *(f"{what} {who}" for what in ("join", "leave", "advance", "advance", "advance") for who in range(3)),
]


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=60))
def test_whatever_happens_every_account_closes(steps: list[str]) -> None:
    world = World(3)
    play(world, tuple(steps))
    world.settle()
    world.check()


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["join 0", "advance 0", "deliver", "flush", *(f"advance {n}" for n in range(1, 11))])))
def test_ten_clients_post_while_an_eleventh_joins(steps: list[str]) -> None:
    world = World(11)
    for poster in world.clients[1:]:
        poster.ask("join")
        poster.finish()
        poster.ask("post", id=poster.user.id, text="hello")
    play(world, tuple(steps))
    world.settle()
    world.check()
    for poster in world.clients[1:]:
        assert sorted(one["id"] for one in poster.account) == sorted(other.user.id for other in world.clients[1:])


def test_a_hundred_members_of_one_room_get_the_same() -> None:
    world = World(100)
    for client in world.clients:
        client.ask("join")
        client.finish()
        world.commit()
        world.deliver()
        world.flush()
    world.settle()
    world.check()
    assert [len(client.account) for client in world.clients] == list(range(100, 0, -1))


# ---- gaps ----------------------------------------------------------------------------------------


def test_lost_block_parks_the_room_alone_and_the_log_fills_it() -> None:
    room, other = room_with("bob", top=4), room_with("bob", top=4)
    room.receive(block(6))
    other.receive(block(5))
    assert parked(room)
    assert not parked(other)
    assert room.take() is None
    room.receive(block(7))
    assert room.position == at(4)
    assert room.fill(page(at(6), entries(5, 6))) is None
    assert taken(room) == entries(5, 7)
    assert not parked(room)


def test_fill_goes_on_while_there_is_more_and_nobody_is_let_in_meanwhile() -> None:
    room = room_with("bob", top=0)
    room.receive(block(9))
    room.enter("ann", ANN)
    assert room.admit("ann", page(at(4)), b"hello")[0] is Admission.WAIT
    room.fill(page(at(4), entries(1, 4), top=9))
    assert taken(room) == entries(1, 4)
    assert parked(room)
    assert room.settle() == []
    assert room.position == at(4)
    room.fill(page(at(9), entries(5, 9)))
    assert taken(room) == entries(5, 9)
    assert room.settle() == [("ann", Admission.LIVE, [b"hello", *entries(5, 9)])]


def test_gap_that_a_probe_found_is_filled_to_its_end() -> None:
    room = room_with("bob", top=0)
    room.verify(A, 9)
    room.fill(page(at(4), entries(1, 4), top=9))
    assert parked(room), "nothing that was held says so here"
    room.fill(page(at(9), entries(5, 9)))
    assert not parked(room)
    assert taken(room) == entries(1, 9)


def test_overlapping_blocks_are_taken_once() -> None:
    room = room_with("bob", top=0)
    room.receive(block(1, 3))
    room.receive(block(2, 5))
    room.receive(block(1, 5))
    assert taken(room) == entries(1, 5)


def test_blocks_held_past_the_bound_are_left_to_the_log() -> None:
    room = room_with("bob", top=0)
    for offset in range(2, MOST_HELD + 10):
        room.receive(block(offset))
    room.fill(page(at(1), entries(1, 1)))
    assert taken(room) == entries(1, MOST_HELD + 1)
    assert not parked(room)
    room.receive(block(MOST_HELD + 10))
    assert parked(room)
    room.fill(page(at(MOST_HELD + 10), entries(MOST_HELD + 2, MOST_HELD + 10)))
    assert taken(room) == entries(MOST_HELD + 2, MOST_HELD + 10)


def test_blocks_held_past_the_bound_of_bytes_are_left_to_the_log() -> None:
    room = room_with("bob", top=0)
    large = [Block(ROOM, A, offset, 1.0, [b"x" * (HELD_BYTES // 3)]) for offset in range(2, 7)]
    for one in large:
        room.receive(one)
    assert sum(one.size for one in room._held) <= HELD_BYTES
    room.fill(page(at(1), entries(1, 1)))
    assert len(taken(room)) == 4, "the three that fit, and the one that was read"
    room.receive(block(7))
    assert parked(room)
    room.fill(page(at(7), [*large[3].entries, *large[4].entries, *entries(7, 7)]))
    assert len(taken(room)) == 3
    assert not parked(room)


def test_loss_of_the_last_block_is_found_by_the_probe() -> None:
    room = room_with("bob", top=4)
    room.verify(A, 4)
    assert not parked(room)
    room.verify(A, 5)
    assert parked(room)


def test_probe_overtaken_by_entries_finds_no_gap() -> None:
    room = room_with("bob", top=4)
    room.receive(block(5))
    room.verify(A, 5)
    assert not parked(room)


def test_clean_restart_goes_on_without_a_word_to_the_members() -> None:
    room = room_with("bob", top=4)
    room.receive(block(5, life=B))
    assert parked(room)
    assert room.fill(page(at(5, B), entries(5, 5, B))) is None
    flush = room.take()
    assert flush is not None
    assert (flush.payloads, flush.members, room.epoch) == (entries(5, 5, B), ("bob",), B)


def test_restart_with_a_cut_log_puts_the_members_out_and_they_come_back() -> None:
    room = room_with("bob", "cleo", top=4)
    room.receive(block(3, life=B))
    assert room.fill(page(at(3, B), recovered=False)) == ("bob", "cleo")
    assert not room.members
    assert (room.epoch, room.top, room.parked, room.take()) == (B, 3, False, None)
    room.enter("bob", ANN)
    room.receive(block(4, life=B))
    assert room.admit("bob", page(at(4, B), recovered=False), b"hello")[0] is Admission.WAIT
    room.take()
    assert room.settle() == [("bob", Admission.LIVE, [b"hello"])]


def test_what_was_pending_when_the_room_was_reset_is_sent_to_nobody() -> None:
    room = room_with("bob", top=4)
    room.receive(block(5))
    room.verify(B, 3)
    assert room.fill(page(at(3, B), recovered=False)) == ("bob",)
    room.receive(block(4, life=B))
    assert taken(room) == entries(4, 4, B)
    room.enter("bob", ANN)
    assert room.admit("bob", page(at(3, B), recovered=False), b"hello")[1] == [b"hello", *entries(4, 4, B)]


def test_vanished_room_puts_its_members_out_and_starts_anew() -> None:
    room = room_with("bob", top=4)
    room.verify("", 0)
    assert room.fill(None) == ("bob",)
    assert room.position is None
    room.enter("bob", ANN)
    room.receive(block(1, life=B))
    assert room.admit("bob", page(at(1, B), recovered=False), b"hello") == (Admission.LIVE, [b"hello"])


def test_joiner_with_a_page_of_an_ended_epoch_reads_on_from_it() -> None:
    room = room_with("bob", top=4)
    room.enter("ann", ANN)
    room.receive(block(5, life=B))
    room.fill(page(at(5, B), entries(5, 5, B)))
    room.take()
    assert room.admit("ann", page(at(4)), b"hello") == (Admission.WAIT, [])
    assert parked(room), "the room cannot tell which of the two is over"
    room.fill(page(at(5, B)))
    assert room.settle() == [("ann", Admission.BEHIND, [])]


def test_joiner_with_a_page_of_the_next_epoch_waits_until_the_room_is_there() -> None:
    room = room_with("bob", top=4)
    room.enter("ann", ANN)
    assert room.admit("ann", page(at(5, B)), b"hello") == (Admission.WAIT, [])
    assert room.position == at(4)
    room.fill(page(at(5, B), entries(5, 5, B)))
    assert taken(room) == entries(5, 5, B)
    assert room.settle() == [("ann", Admission.LIVE, [b"hello"])]


def test_block_of_an_ended_epoch_that_was_held_does_not_park_the_room_for_ever() -> None:
    room = room_with("bob", top=4)
    for late in (block(6), block(7, life=B)):  # 5 was lost, and then Redis was restarted
        room.receive(late)
    room.fill(page(at(7, B), [*entries(5, 6), *entries(7, 7, B)]))
    room.fill(page(at(7, B)))
    assert not parked(room)
    assert taken(room) == [*entries(5, 6), *entries(7, 7, B)]


def test_block_of_the_next_epoch_that_came_while_the_room_was_filled_is_not_dropped() -> None:
    room = room_with("bob", top=4)
    room.receive(block(6))
    found = page(at(6), entries(5, 6))
    room.receive(block(7, life=B))
    room.fill(found)
    assert parked(room)
    room.fill(page(at(7, B), entries(7, 7, B)))
    assert not parked(room)
    assert taken(room) == [*entries(5, 6), *entries(7, 7, B)]


def test_room_is_idle_only_when_nobody_has_anything_to_do_with_it() -> None:
    room = room_with("bob")
    room.enter("ann", ANN)
    room.leave("bob", 0.0)
    room.presence.expire(1.0)
    assert not room.idle
    room.leave("ann", 0.0)
    assert room.idle


# ---- the tail ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["edited", "deleted"])
def test_tail_never_resends_a_text_that_was_replaced(kind: str) -> None:
    room = room_with("bob", top=0)
    secret = entry("message", at(1), text="secret")
    replacing = Block(ROOM, A, 2, 1.0, entries(2, 2, kind=kind))
    for blocks in (
        [Block(ROOM, A, 1, 1.0, [secret]), replacing],
        [Block(ROOM, A, 1, 1.0, [secret, *replacing.entries])],
    ):
        for one in blocks:
            room.receive(one)
            room.take()
        room.enter("ann", ANN)
        assert room.admit("ann", page(at(0)), b"")[0] is Admission.BEHIND
        assert room.admit("ann", page(at(1)), b"") == (Admission.LIVE, [b"", *replacing.entries])
        room.leave("ann", 0.0)
        room = room_with("bob", top=0)


def test_tail_is_bounded_by_entries_and_by_bytes() -> None:
    tail = Tail()
    tail.extend([b"x"] * (TAIL_ENTRIES + 5))
    assert tail.after(5) == [b"x"] * TAIL_ENTRIES
    assert tail.after(4) is None
    tail.extend([b"x" * TAIL_BYTES])
    assert tail.after(TAIL_ENTRIES + 5) == [b"x" * TAIL_BYTES]
    assert tail.after(TAIL_ENTRIES + 4) is None
    tail.extend([b"x" * (TAIL_BYTES + 1)])
    assert tail.after(TAIL_ENTRIES + 6) is None
    assert tail.after(TAIL_ENTRIES + 7) == []
    assert tail.size == 0


def test_client_accounts_do_notice() -> None:
    """The tests above are worth what their ledger is."""
    client = Client(World(), "ann")
    client.ask("join")
    client.finish()
    with pytest.raises(AssertionError):
        client.send(entries(2, 2))
    client.send(entries(1, 1))
    with pytest.raises(AssertionError):
        client.send(entries(1, 1))
