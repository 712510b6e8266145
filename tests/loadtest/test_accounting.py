"""The ledger on streams that are right, cut anywhere, and wrong in every way that has a name."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from chat_core.codec import text_frame
from loadtest.follower import Follower
from loadtest.ledger import Faults, Ledger, Posted
from loadtest.plan import Post
from loadtest.reference import Reference
from loadtest.wire import PING, BrokenStream

EPOCH = "ab" * 8
ROOM = "r"
NOW = 1000.0


class Room:
    """A room with some followers, a number of posts on their way, and the log as a server would send it."""

    def __init__(self, members: int = 3, posts: int = 10) -> None:
        self.ledger = Ledger(objective=0.1)
        self.heard: list[Any] = []
        self.reference = Reference(ROOM, self.ledger)
        self.followers = [
            Follower(self.reference, lambda _, content: self.heard.append(content)) for _ in range(members)
        ]
        for follower in self.followers:
            follower.join(EPOCH, 0)
        for number in range(1, posts + 1):
            post = Post(0.0, speaker=0, id=f"id{number}", text=f"text {number} é")
            self.ledger.posting(number, Posted(post, ROOM, NOW + number / 1000, measured=True))
            self.ledger.replied(0, {"ref": number, "result": {"epoch": EPOCH, "offset": number}})
        self.frames = [text_frame(entry(number)) for number in range(1, posts + 1)]

    def feed(self, follower: int, *frames: bytes) -> None:
        self.followers[follower].feed(memoryview(b"".join(frames)))

    def close(self) -> dict[str, int]:
        """Close the books as the generator does, and return the faults."""
        self.ledger.settle(NOW + 0.05)
        for follower in self.followers:
            if lost := follower.lost:
                self.ledger.faults.note("lost", lost, "")
        self.ledger.close_step({ROOM: (len(self.followers), self.reference.highest)})
        return {kind: count for kind, count in self.ledger.faults.counts().items() if count}


def entry(number: int, **changes: object) -> bytes:
    fields = {"type": "message", "room": ROOM, "epoch": EPOCH, "offset": number, "at": 1.5, "id": f"id{number}"}
    return json.dumps(fields | {"text": f"text {number} é"} | changes).encode()


def reply(size: int = 2) -> bytes:
    return text_frame(json.dumps({"type": "reply", "ref": 99, "pad": "x" * size}).encode())


def all_of(room: Room, followers: Iterable[int] = (0, 1, 2)) -> None:
    for follower in followers:
        room.feed(follower, *room.frames)


def test_everything_delivered_is_a_clean_ledger() -> None:
    room = Room()
    all_of(room)
    assert room.close() == {}
    assert room.ledger.delivered == 30
    assert room.ledger.latency.count == 30
    assert all(follower.settled for follower in room.followers)


def test_latency_counts_from_the_intended_time() -> None:
    room = Room(members=1, posts=10)
    all_of(room, [0])
    room.ledger.settle(NOW + 0.06)  # intended at 1, 2, … 10 ms
    assert room.ledger.latency.longest == pytest.approx(0.059)
    assert room.ledger.latency.percentile(1) == pytest.approx(0.050, rel=0.01)
    assert room.ledger.late == 0
    room.ledger.settle(NOW + 1)
    assert room.ledger.latency.count == 10


@pytest.mark.parametrize("behind", [0, 1], ids=["first to receive", "behind another"])
def test_reads_may_be_cut_anywhere(behind: int) -> None:
    stream = b"".join([*Room(posts=3).frames[:1], reply(), *Room(posts=3).frames[1:], reply(300)])
    for first in range(len(stream) + 1):
        for second in {first, min(len(stream), first + 7), len(stream)}:
            room = Room(members=2, posts=3)
            if behind:
                room.feed(0, stream)
            for part in (stream[:first], stream[first:second], stream[second:]):
                room.feed(behind, part) if part else None
            room.feed(1 - behind, stream) if not behind else None
            assert room.close() == {}, (first, second)
            assert len(room.heard) == 4
            assert room.ledger.delivered == 6


def test_random_reads_of_many_members_with_replies_in_between() -> None:
    dice = random.Random(1)
    room = Room(members=20, posts=50)
    streams = []
    for _ in room.followers:
        frames = list(room.frames)
        for _ in range(5):
            frames.insert(dice.randrange(len(frames)), reply(dice.randrange(200)))
        streams.append(b"".join(frames))
    while any(streams):
        follower = dice.randrange(20)
        size = dice.randrange(1, 900)
        if streams[follower]:
            room.feed(follower, streams[follower][:size])
            streams[follower] = streams[follower][size:]
    assert room.close() == {}
    assert room.ledger.delivered == 1000
    assert len(room.heard) == 100


@pytest.mark.parametrize("who", [0, 1], ids=["first to receive", "behind another"])
class TestOneMember:
    """Something is wrong with what one of three members receives."""

    def deliver(self, who: int, frames: list[bytes]) -> dict[str, int]:
        self.room = room = Room()
        for follower in (0, 1, 2):
            room.feed(follower, *(frames if follower == who else room.frames))
        return room.close()

    def test_an_entry_that_is_missing_is_lost(self, who: int) -> None:
        frames = Room().frames
        assert self.deliver(who, frames[:4] + frames[5:]) == {"lost": 1}

    def test_entries_that_are_missing_at_the_end_are_lost(self, who: int) -> None:
        assert self.deliver(who, Room().frames[:7]) == {"lost": 3}

    def test_the_first_entry_missing_is_lost(self, who: int) -> None:
        assert self.deliver(who, Room().frames[1:]) == {"lost": 1}

    def test_an_entry_that_comes_twice_is_duplicated(self, who: int) -> None:
        frames = Room().frames
        assert self.deliver(who, [*frames[:5], frames[4], *frames[5:]]) == {"duplicated": 1}

    def test_all_entries_twice_are_duplicated(self, who: int) -> None:
        assert self.deliver(who, Room().frames * 2) == {"duplicated": 10}

    def test_two_entries_in_the_wrong_order_are_reordered(self, who: int) -> None:
        frames = Room().frames
        frames[3], frames[4] = frames[4], frames[3]
        assert self.deliver(who, frames) == {"reordered": 1}

    def test_a_late_entry_is_reordered_and_not_lost(self, who: int) -> None:
        frames = Room().frames
        assert self.deliver(who, [*frames[1:], frames[0]]) == {"reordered": 1}

    def test_another_text_is_corrupt(self, who: int) -> None:
        frames = Room().frames
        frames[5] = text_frame(entry(6, text="something else"))
        assert self.deliver(who, frames) == {"corrupt": 1, "lost": 1}

    def test_one_changed_byte_is_corrupt(self, who: int) -> None:
        frames = Room().frames
        frames[5] = frames[5].replace(b"text 6", b"text 7")
        assert self.deliver(who, frames) == {"corrupt": 1, "lost": 1}

    def test_an_entry_of_another_room_is_foreign(self, who: int) -> None:
        frames = Room().frames
        assert self.deliver(who, [*frames[:5], text_frame(entry(6, room="other")), *frames[5:]]) == {"foreign": 1}

    def test_an_entry_of_another_epoch_is_foreign(self, who: int) -> None:
        frames = Room().frames
        frames[9] = text_frame(entry(10, epoch="cd" * 8))
        assert self.deliver(who, frames) == {"foreign": 1, "lost": 1}

    @pytest.mark.parametrize("broken", [b"\x82\x02{}", text_frame(b"{"), text_frame(b"[]"), b"\x81\x85xxxxhello"])
    def test_bytes_that_are_no_frame_break_the_stream(self, who: int, broken: bytes) -> None:
        room = Room()
        room.feed(1 - who, *room.frames)
        with pytest.raises(BrokenStream):
            room.feed(who, *room.frames[:5], broken, *room.frames[5:])


def test_an_entry_that_nobody_receives_is_lost_to_all() -> None:
    room = Room()
    for follower in range(3):
        room.feed(follower, *room.frames[:4], *room.frames[5:])
    assert room.close() == {"lost": 3}


def test_the_last_entry_acknowledged_and_received_by_nobody_is_lost_to_all() -> None:
    room = Room()
    for follower in range(3):
        room.feed(follower, *room.frames[:-1])
    assert not room.ledger.complete
    assert room.close() == {"lost": 3}


def test_a_message_that_nobody_posted_is_foreign() -> None:
    room = Room()
    all_of(room)
    room.feed(0, text_frame(entry(11, id="whose")))
    assert room.close() == {"foreign": 1, "lost": 2}


def test_a_message_that_is_in_the_log_twice_is_duplicated() -> None:
    room = Room()
    room.frames.append(text_frame(entry(11, id="id3", text="text 3 é")))
    all_of(room)
    assert room.close()["duplicated"] == 1


def test_a_message_acknowledged_at_another_place_is_corrupt() -> None:
    room = Room(posts=2)
    room.ledger.posting(3, Posted(Post(0.0, 0, "id3", "text 3 é"), ROOM, NOW, measured=True))
    room.ledger.replied(0, {"ref": 3, "result": {"epoch": EPOCH, "offset": 4}})
    room.frames.append(text_frame(entry(3)))
    all_of(room)
    assert room.close() == {"corrupt": 1}


def test_a_post_is_answered_once_and_only_to_its_speaker() -> None:
    ledger = Ledger(0.1)
    for ref in (1, 2, 3, 4):
        ledger.posting(ref, Posted(Post(0.0, 7, f"id{ref}", "text"), ROOM, NOW + ref, measured=True))
    good = {"epoch": EPOCH, "offset": 1}
    ledger.replied(7, {"ref": 1, "result": good})
    ledger.replied(7, {"ref": 1, "result": good})
    ledger.replied(7, {"ref": 2, "error": {"code": "unavailable"}})
    ledger.replied(8, {"ref": 3, "result": good})
    ledger.replied(7, {"ref": 99, "result": good})
    assert ledger.waited(NOW + 10) == pytest.approx(7.0)
    ledger.close_step({ROOM: (0, 0)})
    counts = {kind: count for kind, count in ledger.faults.counts().items() if count}
    assert counts == {"answered_twice": 1, "refused": 1, "foreign": 2, "unanswered": 2}


def test_what_is_no_entry_goes_to_the_listener() -> None:
    heard: list[tuple[int, Any]] = []
    follower = Follower(Reference(ROOM, Ledger(0.1)), lambda opcode, content: heard.append((opcode, content)))
    follower.feed(memoryview(b"\x89\x02hi" + reply(0)))
    assert heard == [(PING, b"hi"), (1, {"type": "reply", "ref": 99, "pad": ""})]


def test_a_second_step_starts_where_the_first_ended() -> None:
    room = Room(posts=10)
    for follower in range(3):
        room.feed(follower, *room.frames[:6])
    room.ledger.settle(NOW)
    room.reference.restart()
    for one in room.followers:
        one.restart()
    for follower in range(3):
        room.feed(follower, *room.frames[6:])
    assert room.close() == {}
    assert room.ledger.delivered == 30


class TestMoving:
    """One member leaves the room for another one, and comes back, while a flush to it is still under way.

    The leave is acknowledged after all were posted, but for the last one: no flush that had begun can hold that.
    """

    LEFT = NOW + 0.0095

    def setup_method(self) -> None:
        self.room = room = Room(members=2)
        self.other = Reference("other", room.ledger)
        room.feed(0, *room.frames)
        room.feed(1, *room.frames[:4])
        room.followers[1].move(self.other, self.LEFT)

    def counts(self) -> dict[str, int]:
        return {kind: count for kind, count in self.room.ledger.faults.counts().items() if count}

    def come_back(self, offset: int) -> None:
        follower = self.room.followers[1]
        follower.join(EPOCH, 0)
        follower.move(self.room.reference, self.LEFT)
        follower.join(EPOCH, offset)

    def test_what_still_arrives_of_the_former_room_is_late_and_not_foreign(self) -> None:
        self.room.feed(1, self.room.frames[4])
        assert self.counts() == {"late_after_leave": 1}
        (example,) = self.room.ledger.faults.examples
        assert "offset 5 in r" in example
        assert "posted 4.5 ms before it was left" in example

    def test_what_was_posted_after_the_leave_is_foreign(self) -> None:
        self.room.feed(1, *self.room.frames[8:])
        assert self.counts() == {"late_after_leave": 1, "foreign": 1}

    def test_when_it_was_sent_counts_and_not_when_it_was_meant_to_be(self) -> None:
        posted = self.room.ledger._by_id["id9"]
        posted.sent = self.LEFT + 0.001
        self.room.feed(1, self.room.frames[8])
        assert self.counts() == {"foreign": 1}

    def test_a_late_entry_is_looked_at_all_the_same(self) -> None:
        self.room.feed(1, text_frame(entry(5, text="something else")))
        self.room.feed(1, text_frame(entry(6, id="whose")))
        assert self.counts() == {"corrupt": 1, "foreign": 1}

    def test_it_is_late_also_two_rooms_later(self) -> None:
        follower = self.room.followers[1]
        follower.join(EPOCH, 0)
        follower.move(Reference("third", self.room.ledger), self.LEFT)
        self.room.feed(1, self.room.frames[4])
        assert self.counts() == {"late_after_leave": 1}

    def test_it_is_late_also_after_coming_back(self) -> None:
        self.come_back(6)
        self.room.feed(1, *self.room.frames[4:])
        assert self.counts() == {"late_after_leave": 2}
        assert self.room.followers[1].settled

    def test_what_was_posted_between_leaving_and_coming_back_and_still_comes_is_duplicated(self) -> None:
        """Whoever joined at the end of the log has been told so: it was in the page of the reply."""
        self.come_back(10)
        self.room.feed(1, *self.room.frames[8:])
        assert self.counts() == {"late_after_leave": 1, "duplicated": 1}

    def test_a_frame_that_was_cut_by_the_move_is_read_to_its_end(self) -> None:
        room = Room(members=2)
        room.feed(0, *room.frames)
        room.feed(1, *room.frames[:4], room.frames[4][:20])
        room.followers[1].move(Reference("other", room.ledger), self.LEFT)
        room.feed(1, room.frames[4][20:], reply())
        assert room.heard == [{"type": "reply", "ref": 99, "pad": "xx"}]
        assert room.ledger.faults.counts()["late_after_leave"] == 1


def test_examples_of_one_kind_leave_room_for_those_of_another() -> None:
    faults = Faults()
    for number in range(20):
        faults.note("unsent", 1, f"post {number}")
    faults.note("lost", 1, "the one that matters")
    assert len(faults.examples) == 6
    assert faults.examples[-1] == "lost: the one that matters"


def test_what_comes_after_something_that_never_comes_is_delivered_all_the_same() -> None:
    room = Room()
    for follower in range(3):
        room.feed(follower, *room.frames[:4], *room.frames[5:])
    room.ledger.settle(NOW)
    assert room.ledger.delivered == 27
    assert room.ledger.latency.count == 27
    assert room.reference.skip_hole()
    assert all(one.caught_up and not one.settled for one in room.followers)
    assert not room.reference.skip_hole()
    assert room.close() == {"lost": 3}


def test_what_was_missed_and_comes_in_a_page_is_delivered_once() -> None:
    room = Room(members=2)
    room.feed(0, *room.frames)
    room.feed(1, *room.frames[:3])
    late = Follower(room.reference, lambda _, content: room.heard.append(content))
    late.join(EPOCH, 3)
    room.followers[1] = late
    for number in range(4, 8):
        late.recover(json.loads(entry(number)))
    late.feed(memoryview(b"".join(room.frames[7:])))
    assert room.close() == {}
    assert room.ledger.delivered == 20


def test_whoever_comes_back_from_before_the_reference_begins_is_accounted_for() -> None:
    """Somebody else began the room anew while this one was away."""
    room = Room(members=1)
    room.reference.rebase(EPOCH, 6)
    room.followers[0].join(EPOCH, 6)
    room.feed(0, *room.frames[6:])
    back = Follower(room.reference, lambda _, content: room.heard.append(content))
    back.join(EPOCH, 3)
    room.followers.append(back)
    assert back.lost == 7
    back.feed(memoryview(room.frames[3][:30]))
    back.feed(memoryview(room.frames[3][30:]))
    back.recover(json.loads(entry(5)))
    back.feed(memoryview(b"".join(room.frames[5:])))
    assert back.settled
    room.ledger.settle(NOW)
    assert room.ledger.delivered == 4 + 7
    assert not room.ledger.faults.broken, room.ledger.faults.examples
