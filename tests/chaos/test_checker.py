"""The checker finds every kind of broken promise in a history, names it, and lets good ones pass."""

import json
from pathlib import Path

from chaos.checker import check
from chaos.findings import KINDS
from chaos.history import AUDIT, RUN, History, Record, Recorder
from tests.chaos.story import ROOM, Story, epoch, target


def kinds(story: Story) -> list[str]:
    """The kinds of what is found in a story, each once."""
    verdict = story.verdict()
    for finding in verdict.findings:
        assert finding.kind in KINDS
        assert finding.explanation
        assert ROOM in str(finding)
    return sorted({finding.kind for finding in verdict.findings})


# ---- good histories -------------------------------------------------------------------------------------------------


def test_a_conversation_with_edits_reactions_and_a_deletion_passes() -> None:
    story = Story("ada", "bob")
    first, second = story["ada"].post("a1"), story["bob"].post("b1")
    story["ada"].write("edit", "a2", target=target(first), text="better")
    story["bob"].write("react", "b2", target=target(first), emoji="👍", on=True)
    story["ada"].write("react", "a3", target=target(second), emoji="👍", on=True)
    story["ada"].write("react", "a4", target=target(second), emoji="👍", on=False)
    story["bob"].write("delete", "b3", target=target(second))
    verdict = story.verdict()
    assert verdict.findings == []
    assert (verdict.account.acked, verdict.account.delivered) == (7, 14)


def test_a_resume_in_pages_passes() -> None:
    story = Story("ada", "bob")
    story["ada"].post("a1")
    story["bob"].lose()
    for number in range(2, 9):
        story["ada"].post(f"a{number}")
    story["bob"].connect()
    story["bob"].join(resume=True, pages=3)
    story["ada"].post("a9")
    assert kinds(story) == []


def test_a_retry_of_what_was_written_and_of_what_was_not_passes() -> None:
    story = Story("ada", "bob")
    ada = story["ada"]
    ref = ada.send("post", id="a1", text="one")
    story.tell(story.append("ada", "post", "a1", text="one"))
    ada.refuse(ref, "unavailable")
    ada.acknowledge(ada.send("post", id="a1", text="one"), story.log[0], duplicate=True)
    ada.refuse(ada.send("post", id="a2", text="two"), "unavailable")  # and was never tried again
    ada.send("post", id="a3", text="three")
    ada.lose()
    ada.connect()
    ada.join(resume=True)
    assert kinds(story) == []


def test_what_changes_nothing_has_no_entry() -> None:
    story = Story("ada", "bob")
    first = story["ada"].post("a1")
    story["bob"].acknowledge(
        story["bob"].send("react", id="b1", target=target(first), emoji="👍", on=False), first, duplicate=True
    )
    assert kinds(story) == []


def test_late_pushes_after_a_leave_and_during_a_join_are_passed_over() -> None:
    story = Story("ada", "bob")
    bob = story["bob"]
    ref = bob.send("leave")
    late = story["ada"].post("a1")
    bob.reply(ref)
    bob.live = False
    story.tell_presence(bob)
    story["ada"].post("a2")
    bob.push(late)
    bob.join()
    story["ada"].post("a3")
    assert kinds(story) == []


def test_a_restart_that_lost_nothing_goes_on_without_a_word() -> None:
    story = Story("ada", "bob")
    story["ada"].post("a1")
    story["bob"].lose()
    story.epoch = epoch(2)
    story["ada"].post("a2")
    story["bob"].connect()
    story["bob"].join(resume=True)
    story["ada"].post("a3")
    assert kinds(story) == []


def _lost_end() -> Story:
    """Two know of a message that Redis lost."""
    story = Story("ada", "bob")
    story["ada"].post("a1")
    since = next(story.clock)
    story["ada"].post("a2")
    story.lose(keep=1, since=since)
    return story


def test_a_lost_end_that_was_told_passes() -> None:
    story = _lost_end()
    for author in (story["ada"], story["bob"]):
        author.reset()
        author.join()
    story["ada"].post("a3")
    story["bob"].lose()
    story["bob"].connect()
    story["bob"].join(resume=True)
    assert kinds(story) == []


def test_a_resume_that_is_not_recovered_tells_a_loss_as_well() -> None:
    story = _lost_end()
    for author in (story["ada"], story["bob"]):
        author.lose()
        author.connect()
        author.join(resume=True, recovered=False)
    story["ada"].post("a3")
    assert kinds(story) == []


def test_an_emptied_redis_that_was_told_passes() -> None:
    story = Story("ada", "bob")
    story["ada"].post("a1")
    story["bob"].post("b1")
    story.lose(keep=0, since=0.0)
    for author in (story["ada"], story["bob"]):
        author.reset()
        author.join()
    story["bob"].post("b2")
    assert kinds(story) == []


# ---- broken histories: each kind of finding -------------------------------------------------------------------------


def test_lost_an_acknowledged_message_is_not_in_the_log() -> None:
    story = Story("ada", "bob")
    story["ada"].post("a1")
    story["bob"].acknowledge(story["bob"].send("post", id="b1", text="never written"), target_of(2))
    assert kinds(story) == ["lost"]


def test_lost_the_last_message_never_came_to_a_member() -> None:
    story = Story("ada", "bob")
    story["ada"].post("a1", skip=("bob",))
    assert kinds(story) == ["lost"]


def test_lost_a_window_of_loss_excuses_nothing_before_or_after_it() -> None:
    before, after = _lost_end(), _lost_end()
    before.losses = [type(before.losses[0])(before.losses[0].until, before.losses[0].until)]
    for story in (before, after):
        for author in (story["ada"], story["bob"]):
            author.reset()
            author.join()
    after["ada"].acknowledge(after["ada"].send("post", id="a9", text="written after the loss"), target_of(2, 2))
    assert kinds(before) == ["lost", "vanished"]
    assert kinds(after) == ["lost"]


def test_doubled_a_member_got_a_message_twice() -> None:
    story = Story("ada", "bob")
    story["bob"].push(story["ada"].post("a1"))
    assert kinds(story) == ["doubled"]


def test_doubled_a_message_is_in_the_log_twice() -> None:
    story = Story("ada", "bob")
    story["ada"].refuse(story["ada"].send("post", id="a1", text="text of a1"), "unavailable")
    story.tell(story.append("ada", "post", "a1", text="text of a1"))
    story["ada"].post("a1")
    assert kinds(story) == ["doubled"]


def test_doubled_a_retry_is_acknowledged_as_new() -> None:
    story = Story("ada", "bob")
    first = story["ada"].post("a1")
    story["ada"].acknowledge(story["ada"].send("post", id="a1", text="text of a1"), first)
    assert kinds(story) == ["doubled"]


def test_reordered_and_gap_two_messages_came_the_wrong_way_round() -> None:
    story = Story("ada", "bob")
    first = story["ada"].post("a1", skip=("bob",))
    story["ada"].post("a2")
    story["bob"].push(first)
    assert kinds(story) == ["gap", "reordered"]
    story = Story("ada")
    bob = story.authors["bob"] = type(story["ada"])(story, "bob")
    first = story["ada"].post("a1")
    story["ada"].write("react", "a2", target=target(first), emoji="👍", on=True)
    bob.connect()
    bob.join()
    bob.push(story.log[1])  # from before the page, but not in it
    assert kinds(story) == ["reordered"]


def test_gap_a_page_does_not_continue_from_where_the_client_is() -> None:
    story = Story("ada", "bob")
    story["ada"].post("a1")
    story["bob"].lose()
    story["ada"].post("a2")
    story["ada"].post("a3")
    story["bob"].connect()
    dropped = story.log.pop(1)
    assert story["bob"].position
    story["bob"].join(resume=True)
    story.log.insert(1, dropped)
    assert "gap" in kinds(story)


def test_gap_an_offset_is_missing_in_the_log() -> None:
    story = Story("ada")
    for number in range(1, 4):
        story["ada"].post(f"a{number}")
    del story.log[1]
    assert "gap" in kinds(story)


def test_foreign_nobody_posted_it() -> None:
    story = Story("ada", "bob")
    story.tell(story.append("ada", "post", "made-up", text="I never said that"))
    assert kinds(story) == ["foreign"]


def test_altered_another_text_another_target_or_not_what_others_were_sent() -> None:
    text = Story("ada", "bob")
    text["bob"].records[-1:] = [Record(99.0, "receive", text["ada"].post("a1") | {"text": "something else"})]
    emoji = Story("ada", "bob")
    emoji["ada"].write("react", "a2", target=target(emoji["ada"].post("a1")), emoji="👍", on=True)
    emoji.log[-1]["emoji"] = "👎"
    author = Story("ada", "bob")
    entry = author["ada"].post("a1")
    author["bob"].records[-1] = Record(99.0, "receive", entry | {"user": {"id": "ada", "name": "Eve"}})
    for story in (text, emoji, author):
        assert "altered" in kinds(story)


def test_misplaced_it_is_in_the_log_but_not_where_the_acknowledgement_said() -> None:
    story = Story("ada", "bob")
    ref = story["ada"].send("post", id="a1", text="text of a1")
    story["bob"].post("b1")
    story.tell(story.append("ada", "post", "a1", text="text of a1"))
    story["ada"].acknowledge(ref, story.log[0])
    assert kinds(story) == ["misplaced"]


def test_unwanted_it_was_refused_and_is_there() -> None:
    story = Story("ada", "bob")
    first = story["ada"].post("a1")
    ref = story["bob"].send("edit", id="b1", target=target(first), text="not his to edit")
    story.tell(story.append("bob", "edit", "b1", target=target(first), text="not his to edit"))
    story["bob"].refuse(ref, "forbidden")
    assert "unwanted" in kinds(story)


def test_vanished_a_member_got_what_the_log_does_not_have() -> None:
    story = Story("ada", "bob")
    ref = story["ada"].send("post", id="a1", text="text of a1")
    story.tell(story.append("ada", "post", "a1", text="text of a1"))
    story["ada"].refuse(ref, "unavailable")
    story.log.pop()
    assert "vanished" in kinds(story)


def test_untold_redis_lost_it_and_nobody_said_so() -> None:
    story = _lost_end()
    story["ada"].reset()
    story["ada"].join()
    story["ada"].post("a3", skip=("bob",))
    assert kinds(story) == ["untold"]


def test_untold_the_author_of_what_was_lost_joined_on() -> None:
    story = Story("ada", "bob")
    story["ada"].post("a1")
    since = next(story.clock)
    story["ada"].post("a2", skip=("ada", "bob"))
    story.lose(keep=1, since=since)
    story["bob"].post("b1")
    assert kinds(story) == ["untold"]


def test_needless_a_member_was_reset_though_nothing_was_lost() -> None:
    story = Story("ada", "bob")
    story["ada"].post("a1")
    story["bob"].reset()
    story["bob"].join()
    story["ada"].post("a2")
    assert kinds(story) == ["needless"]


def test_epoch_one_that_was_over_came_back() -> None:
    story = Story("ada", "bob")
    for number in (1, 2, 1):
        story.epoch = epoch(number)
        story["ada"].post(f"a{len(story.log)}")
    assert kinds(story) == ["epoch"]


def test_epoch_a_join_recovers_from_nowhere() -> None:
    story = Story("ada", "bob")
    story["bob"].leave()
    story["bob"].join(recovered=True)
    assert "epoch" in kinds(story)


def test_state_history_shows_another_text_than_the_log_comes_to() -> None:
    story = Story("ada", "bob")
    first = story["ada"].post("a1")
    story["ada"].write("edit", "a2", target=target(first), text="second")
    story["ada"].write("edit", "a3", target=target(first), text="third")
    story.history = [{**story.messages()[0], "text": "second"}]
    assert kinds(story) == ["state"]


def test_state_deleted_text_comes_again() -> None:
    story = Story("ada", "bob")
    first = story["ada"].post("a1")
    story["ada"].write("delete", "a2", target=target(first))
    story.history = [dict(first)]
    assert kinds(story) == ["state"]


def test_state_a_client_that_joined_anew_shows_reactions_that_are_not_there() -> None:
    story = Story("ada", "bob")
    first = story["ada"].post("a1")
    story["bob"].leave()
    first["reactions"] = {"👍": ["ada"]}
    story["bob"].join()
    del first["reactions"]
    story.history = []
    found = story.verdict().findings
    assert {finding.kind for finding in found} == {"state", "lost"}, "the empty history lacks it"


def test_presence_a_ghost_and_somebody_who_is_not_told() -> None:
    story = Story("ada", "bob")
    story["bob"].lose()
    assert kinds(story) == ["presence"]
    story = Story("ada", "bob")
    story["ada"].note("receive", type="presence", room=ROOM, count=1, leaves=["bob"])
    assert kinds(story) == ["presence"]


def test_unanswered_no_reply_and_two_replies() -> None:
    story = Story("ada", "bob")
    story["ada"].send("typing")
    for _ in range(10):
        next(story.clock)
    assert kinds(story) == ["unanswered"]
    story = Story("ada", "bob")
    ref = story["ada"].send("typing")
    story["ada"].reply(ref)
    story["ada"].reply(ref)
    assert kinds(story) == ["unanswered"]


def test_uninvited_an_entry_on_a_connection_that_never_joined() -> None:
    story = Story("ada", "bob")
    story["bob"].lose()
    story["bob"].connect()
    story["bob"].push(story["ada"].post("a1"))
    assert "uninvited" in kinds(story)


def target_of(offset: int, number: int = 1) -> dict[str, object]:
    """The place at an offset, in the nth epoch."""
    return {"epoch": epoch(number), "offset": offset}


# ---- records on disk ------------------------------------------------------------------------------------------------


def test_what_was_written_down_is_checked_again_to_the_same_end(tmp_path: Path) -> None:
    story = _lost_end()
    history = story.end()
    for name, records in (*history.clients.items(), (AUDIT.removesuffix(".jsonl"), history.audit)):
        recorder = Recorder(tmp_path / f"{name}.jsonl")
        for record in records:
            recorder.note(record.did, record.what)
        recorder.end()
    losses = [(loss.since, loss.until) for loss in history.losses]
    (tmp_path / RUN).write_text(json.dumps({"losses": losses}))
    again = History.load(tmp_path)
    assert again.losses == history.losses
    assert set(again.clients) == {"ada", "bob"}
    for name, records in history.clients.items():
        kept = [(record.did, record.what) for record in again.clients[name]]
        assert kept[: len(records)] == [(record.did, record.what) for record in records]
    assert {finding.kind for finding in check(again).findings} >= {"untold"}
