"""Edits, deletions and reactions: who may, what they change, and that what was deleted is nowhere any more."""

import itertools

import pytest

from chat_core.frames import Position
from tests.scripts.store import ANN, BOB, ROOM, Store, blocks, decoded, place, published


def missing(position: Position) -> Position:
    return Position(epoch=position.epoch, offset=position.offset + 1)


def test_author_edits_and_everybody_sees_the_last_text_everywhere(store: Store) -> None:
    subscription = store.listen()
    here = store.posted("first")
    store.commit(store.edit(here, "second"))
    store.commit(store.edit(here, "third"))
    live = [decoded(blocks(data)[0].entries)[0] for data in published(subscription, 3)]
    assert [(entry["type"], entry["text"]) for entry in live] == [
        ("message", "first"),
        ("edited", "second"),
        ("edited", "third"),
    ]
    assert live[1]["target"] == here.model_dump()
    replayed = decoded(store.join(Position(epoch=here.epoch, offset=0)).entries)
    assert [entry["text"] for entry in replayed] == ["third"] * 3
    assert replayed[0]["edited_at"] == live[2]["at"]
    for shown in (decoded(store.join().entries), store.messages(), store.messages(after=0)):
        assert [entry["text"] for entry in shown] == ["third"]
    assert b"second" not in store.dump()
    assert b"first" not in store.dump()
    subscription.close()


def test_deleted_text_is_in_no_key_and_in_no_answer(store: Store) -> None:
    secret = "s3cr3t"
    outcomes = store.commit(store.post(f"{secret} one"), store.post("kept"), store.post(f"{secret} two", by=BOB))
    one, kept, two = map(place, outcomes)
    store.commit(store.edit(one, f"{secret} edited"), store.react(one, by=BOB), store.react(kept))
    store.commit(store.post("answer", reply_to=one))
    assert secret.encode() in store.dump()
    subscription = store.listen()
    assert [place(outcome).offset for outcome in store.commit(store.delete(one), store.delete(two, by=BOB))] == [8, 9]
    start = Position(epoch=one.epoch, offset=0)
    answers = [
        *published(subscription),
        store.dump(),
        *(repr(store.page(since, mode=mode)).encode() for since in (None, start) for mode in ("join", "more")),
        *(repr(store.history(before, after)).encode() for before, after in ((None, None), (99, None), (None, 0))),
        repr(store.mark(two)).encode(),
        repr(store.probe(ROOM)).encode(),
        repr(store.commit(store.edit(one, "x"), store.react(one), store.delete(one))).encode(),
    ]
    for answer in answers:
        assert secret.encode() not in answer
    replayed = decoded(store.join(start).entries)
    assert [entry.get("text", "-") for entry in replayed] == [None, "kept", None, None, "-", "-", "answer", "-", "-"]
    assert "reactions" not in replayed[0]
    assert "edited_at" not in replayed[0]
    assert [entry["text"] for entry in store.messages()] == [None, "kept", None, "answer"]
    subscription.close()


def test_text_that_was_posted_and_deleted_in_one_batch_is_nowhere(store: Store) -> None:
    here = store.posted()
    following = missing(here)
    store.commit(store.post("s3cr3t"), store.edit(following, "s3cr3t too"), store.delete(following))
    assert b"s3cr3t" not in store.dump()
    assert [entry["text"] for entry in store.messages()] == ["hello", None]


def test_only_the_author_edits_and_deletes_unless_a_moderator_does(store: Store) -> None:
    here = store.posted("ann's")
    assert store.commit(store.edit(here, "bob's", by=BOB), store.delete(here, by=BOB)) == ["forbidden"] * 2
    assert store.messages()[0]["text"] == "ann's"
    place(*store.commit(store.edit(here, "moderated", by=BOB, moderator=True)))
    assert store.messages()[0]["text"] == "moderated"
    place(*store.commit(store.delete(here, by=BOB, moderator=True)))
    assert store.messages()[0]["text"] is None


@pytest.mark.parametrize("what", ["edit", "delete", "react"])
def test_what_is_no_message_any_more_or_never_was_is_gone(store: Store, what: str) -> None:
    def attempt(target: Position) -> object:
        asked = store.edit(target, "x") if what == "edit" else getattr(store, what)(target)
        return store.commit(asked)[0]

    here = store.posted()
    [edited, reaction] = store.commit(store.edit(here, "b"), store.react(here))
    for target in (place(edited), place(reaction), missing(place(reaction)), Position(epoch=here.epoch, offset=0)):
        assert attempt(target) == "gone"
    assert attempt(Position(epoch=here.epoch, offset=2**53 - 1)) == "gone"
    assert attempt(Position(epoch="f" * 16, offset=1)) == "stale_epoch"
    store.commit(store.delete(here))
    assert attempt(here) == "gone"


def test_second_deletion_in_one_batch_finds_it_gone(store: Store) -> None:
    here = store.posted()
    first, second = store.commit(store.delete(here), store.delete(here))
    assert place(first).offset == 2
    assert second == "gone"


def test_message_is_edited_and_reacted_to_in_the_batch_that_posts_it(store: Store) -> None:
    here = missing(store.posted())
    outcomes = store.commit(store.post("a"), store.react(here, by=BOB), store.edit(here, "b"))
    assert [place(outcome).offset for outcome in outcomes] == [2, 3, 4]
    shown = store.messages()[1]
    assert (shown["text"], shown["reactions"]) == ("b", {"👍": [BOB.id]})


def test_reactions_are_kept_by_emoji_and_user_in_their_order(store: Store) -> None:
    here = store.posted()
    store.commit(store.react(here), store.react(here, "❤️"), store.react(here, by=BOB))
    assert store.messages()[0]["reactions"] == {"👍": [ANN.id, BOB.id], "❤️": [ANN.id]}
    store.commit(store.react(here, on=False))
    assert store.messages()[0]["reactions"] == {"👍": [BOB.id], "❤️": [ANN.id]}
    store.commit(store.react(here, on=False, by=BOB), store.react(here, "❤️", on=False))
    assert "reactions" not in store.messages()[0]
    assert store.redis.hkeys(store.key("state")) == [b"t1"]


def test_reaction_that_changes_nothing_makes_no_entry(store: Store) -> None:
    here = store.posted()
    subscription = store.listen()
    store.commit(store.react(here))
    published(subscription)
    outcomes = store.commit(store.react(here), store.react(here, "❤️", on=False), store.react(here, on=False, by=BOB))
    assert [(place(outcome).offset, getattr(outcome, "duplicate", None)) for outcome in outcomes] == [(2, True)] * 3
    store.posted()
    assert blocks(*published(subscription))[0].first == 3
    subscription.close()


def test_user_whose_id_is_part_of_anothers_reacts_for_themselves_alone(store: Store) -> None:
    here = store.posted()
    users = [BOB.model_copy(update={"id": name}) for name in ("a", "aa", "a-a", "a_a", "ab")]
    for user in users:
        store.commit(store.react(here, by=user))
    store.commit(store.react(here, on=False, by=users[0]), store.react(here, on=False, by=users[2]))
    assert store.messages()[0]["reactions"] == {"👍": ["aa", "a_a", "ab"]}


def test_message_takes_twenty_kinds_of_reactions(store: Store) -> None:
    here = store.posted()
    emoji = [chr(ord("😀") + number) for number in range(21)]
    outcomes = store.commit(*(store.react(here, one) for one in emoji))
    assert outcomes[20] == "forbidden"
    assert list(store.messages()[0]["reactions"]) == emoji[:20]
    assert place(*store.commit(store.react(here, emoji[0], by=BOB))).offset == 22
    store.commit(store.react(here, emoji[5], on=False))
    place(*store.commit(store.react(here, emoji[20])))
    assert list(store.messages()[0]["reactions"]) == [*emoji[:5], *emoji[6:]]


def test_message_takes_a_thousand_reactions(store: Store) -> None:
    here = store.posted()
    users = [BOB.model_copy(update={"id": f"u{number}"}) for number in range(1001)]
    for start in range(0, 1000, 200):
        store.commit(*(store.react(here, by=user) for user in users[start : start + 200]))
    refused = store.commit(store.react(here, by=users[1000]), store.react(here, "❤️", by=users[0]))
    assert refused == ["forbidden", "forbidden"]
    assert len(store.messages()[0]["reactions"]["👍"]) == 1000
    place(*store.commit(store.react(here, on=False, by=users[7])))
    place(*store.commit(store.react(here, "❤️", by=users[0])))


def test_every_order_of_edit_deletion_and_reaction_leaves_a_state_that_agrees_with_the_log(store: Store) -> None:
    for number, order in enumerate(itertools.permutations(("edit", "delete", "react", "off"))):
        here = store.posted(str(number))
        acts = {
            "edit": store.edit(here, "edited"),
            "delete": store.delete(here),
            "react": store.react(here),
            "off": store.react(here, on=False),
        }
        store.commit(*(acts[act] for act in order))
        shown = store.messages(after=here.offset - 1, limit=1)[0]
        assert shown["text"] is None
        assert "reactions" not in shown
