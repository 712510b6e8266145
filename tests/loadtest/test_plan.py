import pytest

from loadtest.pacer import MOST_AT_ONCE, Pacer
from loadtest.plan import SHAPES, Shape, make_plan, members_of, room_of

SHAPE = Shape("small", "3 rooms of 4, of whom 2 speak", 3, 4, 2)


def test_same_seed_gives_the_same_bytes() -> None:
    assert repr(make_plan(SHAPE, 100, 5, 7, "a")) == repr(make_plan(SHAPE, 100, 5, 7, "a"))


def test_another_seed_gives_another_plan() -> None:
    assert make_plan(SHAPE, 100, 5, 7, "a") != make_plan(SHAPE, 100, 5, 8, "a")


def test_posts_come_at_the_rate_and_in_order() -> None:
    posts = make_plan(SHAPE, 1000, 10, 1, "a")
    assert len(posts) == pytest.approx(10_000, rel=0.05)
    assert [post.due for post in posts] == sorted(post.due for post in posts)
    assert 0 < posts[0].due < posts[-1].due < 10


def test_only_speakers_speak_and_all_of_them() -> None:
    speakers = {post.speaker for post in make_plan(SHAPE, 1000, 2, 1, "a")}
    assert speakers == {0, 1, 4, 5, 8, 9}


def test_no_two_posts_are_alike() -> None:
    posts = [*make_plan(SHAPE, 100, 5, 1, "a"), *make_plan(SHAPE, 100, 5, 1, "b")]
    assert len({post.id for post in posts}) == len({post.text for post in posts}) == len(posts)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=str)
def test_every_connection_is_in_one_room(shape: Shape) -> None:
    places = [(connection, room) for room in range(shape.rooms) for connection in members_of(shape, room)]
    assert [connection for connection, _ in places] == list(range(shape.connections))
    assert all(room_of(shape, connection) == room for connection, room in places)


def test_pacer_hands_out_what_is_due_and_no_more() -> None:
    posts = make_plan(SHAPE, 10, 1, 1, "a")
    pacer = Pacer(posts, began=100.0)
    assert pacer.wait(100.0) == pytest.approx(posts[0].due)
    assert pacer.due(100.0) == []
    assert pacer.due(100.0 + posts[1].due) == posts[:2]
    assert pacer.due(100.0 + posts[1].due) == []
    assert pacer.due(101.0) == posts[2:]
    assert pacer.finished
    assert pacer.wait(101.0) is None


def test_late_pacer_neither_skips_nor_bursts_without_end() -> None:
    posts = make_plan(SHAPE, 1000, 1, 1, "a")
    pacer = Pacer(posts, began=0.0)
    assert pacer.due(9.0) == posts[:MOST_AT_ONCE]
    assert pacer.wait(9.0) == 0.0
    assert pacer.due(9.0) == posts[MOST_AT_ONCE : 2 * MOST_AT_ONCE]
    assert pacer.intended(posts[0]) == posts[0].due
