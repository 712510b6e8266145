"""One connection's conversation: every command gets exactly one reply, whatever becomes of what it asks for."""

import itertools
import json
from collections.abc import Callable
from typing import Any, TypeGuard

import pytest

from chat_core import disconnects
from chat_core.effects import Admit, Close, Commit, Depart, Drained, Effect, Enter, Mark, PublishTyping, ReadPage, Send
from chat_core.frames import JoinResult, Position, Reply, User
from chat_core.limits import MOST_REFUSALS, MOST_ROOMS
from chat_core.log import Committed, Page, Unavailable
from chat_core.presence import record
from chat_core.protocol import MESSAGES, Protocol
from chat_core.settings import Settings
from tests.core.world import World, entry, epoch, page

ANN = User(id="ann", name="Ann")
A, B = epoch(1), epoch(2)
END = Position(epoch=A, offset=7)
TARGET = {"epoch": A, "offset": 1}
ENTRY = entry("message", END)

COMMANDS: dict[str, dict[str, object]] = {
    "post": {"id": "x", "text": "hello"},
    "edit": {"id": "x", "target": TARGET, "text": "hello"},
    "delete": {"id": "x", "target": TARGET},
    "react": {"id": "x", "target": TARGET, "emoji": "👍"},
    "typing": {},
    "read": TARGET,
    "leave": {},
    "join": {},
}
UNLIMITED = Settings("async", "unix:///nowhere", command_rate=0)
Answers = dict[type[Effect], Any]


class Shell:
    """Performs effects with answers made up beforehand: one value, or a list of them to be used in turn."""

    def __init__(self, settings: Settings = UNLIMITED, *, moderator: bool = False) -> None:
        self.protocol = Protocol(ANN, settings, moderator=moderator)
        self.effects: list[Effect] = []
        self.failed: Effect | None = None
        self.answers: Answers = {
            Commit: Committed(A, 8, False),
            Mark: "ok",
            ReadPage: page(END, [ENTRY]),
            Admit: True,
        }
        self.now = 0.0

    def ask(
        self, kind: str = "post", ref: int = 1, room: str = "lobby", fail_at: int = -1, **fields: object
    ) -> "Shell":
        """Send one command and drive it to its end; effect number `fail_at` raises Unavailable."""
        return self.send(
            json.dumps({"type": kind, "ref": ref, "room": room, **COMMANDS.get(kind, {}), **fields}), fail_at
        )

    def send(self, text: str | bytes | None, fail_at: int = -1) -> "Shell":
        flow = self.protocol.receive(text, self.now)
        self.effects, self.failed = [], None
        try:
            effect = next(flow)
            while True:
                self.effects.append(effect)
                answer = self._answer(effect)
                fails = len(self.effects) - 1 == fail_at and not isinstance(effect, Send | Close)
                if fails or isinstance(answer, Exception):
                    self.failed = effect
                    effect = flow.throw(Unavailable())
                else:
                    effect = flow.send(answer)
        except StopIteration:
            return self

    def _answer(self, effect: Effect) -> Any:
        answer = self.answers.get(type(effect))
        return answer.pop(0) if isinstance(answer, list) else answer

    def joined(self) -> "Shell":
        assert self.ask("join").code is None
        return self

    def _admitted(self, effect: Effect) -> TypeGuard[Admit]:
        """Only the last admission of a join can have succeeded."""
        return isinstance(effect, Admit) and effect is self.effects[-1] and effect is not self.failed

    @property
    def kinds(self) -> list[type[Effect]]:
        return [type(effect) for effect in self.effects]

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The frames of the last command, those that come with an admission too."""
        payloads = [one.payload for one in self.effects if isinstance(one, Send) or self._admitted(one)]
        return [json.loads(payload) for payload in payloads]

    @property
    def reply(self) -> dict[str, Any]:
        [reply] = [frame for frame in self.sent if frame["type"] == "reply"]
        Reply.model_validate(reply)
        return reply

    @property
    def code(self) -> str | None:
        code: str | None = self.reply.get("error", {}).get("code")
        return code


# ---- what each command does ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "effects", "result"),
    [
        *((kind, [Commit, Send], {"epoch": A, "offset": 8, "duplicate": False}) for kind in list(COMMANDS)[:4]),
        ("typing", [PublishTyping, Send], {}),
        ("read", [Mark, Send], {}),
        ("leave", [Depart, Send], {}),
    ],
)
def test_command_has_its_effect_and_one_reply(kind: str, effects: list[type[Effect]], result: object) -> None:
    shell = Shell().joined().ask(kind, ref=9)
    assert shell.kinds == effects
    assert shell.reply == {"type": "reply", "ref": 9, "result": result}
    assert shell.protocol.asked == kind


@pytest.mark.parametrize("kind", [kind for kind in COMMANDS if kind != "join"])
def test_command_to_a_room_that_was_not_joined_is_refused_without_effect(kind: str) -> None:
    for shell in (Shell().ask(kind), Shell().joined().ask(kind, room="other"), Shell().joined().ask("leave").ask(kind)):
        assert shell.code == "not_joined"
        assert shell.kinds == [Send]


def test_join_enters_before_it_reads_and_is_admitted_with_its_reply() -> None:
    shell = Shell().ask("join", ref=3)
    assert shell.kinds == [Enter, ReadPage, Admit]
    result = JoinResult.model_validate(shell.reply["result"])
    assert (shell.reply["ref"], result.epoch, result.offset, result.more, result.recovered) == (3, A, 7, False, True)
    assert [message.id for message in result.messages] == ["x"]
    assert result.read is None
    assert result.members.users == [ANN], "the one who joins is there"


def test_join_result_has_everybody_and_what_was_read() -> None:
    shell = Shell()
    records = {name: record(b'9 {"count":1,"users":{"%c":"N"}}' % name[0].encode()) for name in ("p", "q")}
    shell.answers[ReadPage] = Page(A, 7, True, 7, False, Position(epoch=A, offset=5), records, [])
    result = JoinResult.model_validate(shell.ask("join").reply["result"])
    assert ([user.id for user in result.members.users], result.members.count) == (["p", "q", "ann"], 3)
    assert result.read == Position(epoch=A, offset=5)


def test_join_hands_its_position_on() -> None:
    shell = Shell().ask("join", since={"epoch": B, "offset": 3})
    assert shell.effects[1] == ReadPage("lobby", "join", Position(epoch=B, offset=3))


def test_join_again_leaves_first_and_starts_over() -> None:
    shell = Shell().joined().ask("join")
    assert shell.kinds == [Depart, Enter, ReadPage, Admit]
    assert shell.code is None


@pytest.mark.parametrize("code", ["forbidden", "gone", "stale_epoch", "id_conflict", "unavailable"])
def test_refusal_of_the_log_is_the_reply(code: str) -> None:
    shell = Shell().joined()
    shell.answers[Commit] = code
    assert shell.ask("edit").code == code
    assert shell.effects[-1] == Send(shell.effects[-1].payload, code)  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize(
    "outcome", [Committed(A, 8, False), Committed(A, 8, True), "gone", "unavailable", Unavailable()]
)
@pytest.mark.parametrize("kind", ["post", "edit", "delete", "react"])
def test_nothing_waits_behind_a_commit(kind: str, outcome: object) -> None:
    shell = Shell().joined()
    shell.answers[Commit] = outcome
    for _ in range(2 * MOST_REFUSALS):
        shell.ask(kind)
        behind = shell.kinds[shell.kinds.index(Commit) + 1 :]
        assert behind
        assert set(behind) <= {Send, Close}, "whoever commits goes on with the flow, and has no time"


def test_full_set_of_reactions_is_not_blamed_on_the_author() -> None:
    shell = Shell().joined()
    shell.answers[Commit] = "forbidden"
    assert "reactions" in shell.ask("react").reply["error"]["message"]
    assert shell.ask("delete").reply["error"]["message"] == MESSAGES["forbidden"]


@pytest.mark.parametrize("code", ["gone", "stale_epoch"])
def test_read_marker_of_nowhere_is_refused(code: str) -> None:
    shell = Shell().joined()
    shell.answers[Mark] = code
    assert shell.ask("read").code == code


def test_text_is_measured_in_characters_after_normalization() -> None:
    shell = Shell().joined()
    assert shell.ask(text="😀" * 4000).code is None
    assert shell.ask(text="e\u0301" * 4000).code is None
    assert shell.ask(text="x" * 4001).code == "too_long"
    assert shell.ask("edit", text="x" * 4001).code == "too_long"
    assert shell.kinds == [Send]


def test_duplicate_is_told() -> None:
    shell = Shell().joined()
    shell.answers[Commit] = Committed(B, 3, True)
    assert shell.ask().reply["result"] == {"epoch": B, "offset": 3, "duplicate": True}


def test_role_goes_to_the_log_and_the_typist_to_the_room() -> None:
    for moderator in (False, True):
        shell = Shell(moderator=moderator).joined().ask("delete")
        commit = shell.effects[0]
        assert isinstance(commit, Commit)
        assert ("*" in commit.write.arguments[-1]) == moderator
    typing = Shell().joined().ask("typing").effects[0]
    assert isinstance(typing, PublishTyping)
    assert json.loads(typing.payload) == {"type": "typing", "room": "lobby", "user": ANN.model_dump()}


# ---- pages --------------------------------------------------------------------------------------


def pages(*ends: int, top: int = 9) -> list[Page]:
    return [
        page(Position(epoch=A, offset=end), [entry("message", Position(epoch=A, offset=end))], top=top) for end in ends
    ]


def test_long_replay_waits_for_the_reader_between_pages_and_ends_in_membership() -> None:
    shell = Shell()
    shell.answers[ReadPage] = pages(3, 6, 9)
    shell.ask("join", since={"epoch": A, "offset": 0})
    assert shell.kinds == [Enter, ReadPage, Send, Drained, ReadPage, Send, Drained, ReadPage, Admit]
    assert shell.effects[4] == ReadPage("lobby", "more", Position(epoch=A, offset=3))
    first, second, last = shell.sent
    assert (first["type"], first["result"]["more"]) == ("reply", True)
    assert (second["type"], second["more"], last["type"], last["more"]) == ("replay", True, "replay", False)
    assert shell.ask().code is None


def test_joiner_who_fell_behind_is_sent_its_page_and_reads_on() -> None:
    shell = Shell()
    shell.answers |= {ReadPage: pages(5, 9, top=5), Admit: [False, True]}
    shell.ask("join")
    assert shell.kinds == [Enter, ReadPage, Admit, Send, Drained, ReadPage, Admit]
    sends = [json.loads(one.payload) for one in shell.effects if isinstance(one, Send)]
    assert [(one["type"], one["result"]["more"]) for one in sends] == [("reply", True)]
    admission = shell.effects[-1]
    assert isinstance(admission, Admit)
    assert json.loads(admission.payload)["type"] == "replay"
    assert shell.protocol.rooms == {"lobby"}


@pytest.mark.parametrize(
    "following",
    [None, page(Position(epoch=B, offset=2), recovered=False), Unavailable()],
    ids=["gone", "cut", "silent"],
)
def test_replay_that_cannot_go_on_ends_in_a_reset_and_no_second_reply(following: object) -> None:
    shell = Shell()
    shell.answers[ReadPage] = [*pages(3), following]
    shell.ask("join")
    assert shell.kinds == [Enter, ReadPage, Send, Drained, ReadPage, Depart, Send]
    assert shell.reply["result"]["more"] is True
    last = following if isinstance(following, Page) else pages(3)[0]
    assert shell.sent[-1] == {"type": "reset", "room": "lobby", "epoch": last.epoch, "offset": last.top}
    assert shell.protocol.rooms == set()
    assert shell.ask().code == "not_joined"


# ---- when Redis does not answer -----------------------------------------------------------------

SCENES: dict[str, Callable[[Shell], Answers]] = {
    "one page": lambda shell: {},
    "three pages": lambda shell: {ReadPage: pages(3, 6, 9)},
    "behind": lambda shell: {ReadPage: [*pages(5, top=5), *pages(9)], Admit: [False, True]},
    "rejoin": lambda shell: (shell.joined(), {})[1],
}


@pytest.mark.parametrize("scene", SCENES)
def test_join_has_one_reply_wherever_redis_falls_silent(scene: str) -> None:
    for fail_at in itertools.count():
        shell = Shell()
        shell.answers |= SCENES[scene](shell)
        shell.ask("join", fail_at=fail_at)
        if fail_at >= len(shell.effects):
            break
        if not isinstance(shell.effects[fail_at], ReadPage | Admit):
            continue  # what needs no Redis does not raise
        assert shell.code == "unavailable" or shell.sent[-1]["type"] == "reset"
        assert Depart in shell.kinds[fail_at:], "nobody stays at the door"
        assert shell.protocol.rooms == set()
    assert fail_at > 2


@pytest.mark.parametrize("kind", [kind for kind in COMMANDS if kind not in ("join", "leave")])
def test_command_that_redis_does_not_answer_is_unavailable(kind: str) -> None:
    shell = Shell().joined().ask(kind, fail_at=0)
    assert shell.code == "unavailable"
    assert shell.ask(kind).code is None


@pytest.mark.parametrize("kind", COMMANDS)
def test_command_has_one_reply_also_where_an_effect_fails_that_never_should(kind: str) -> None:
    for fail_at in range(8):
        shell = Shell().joined()
        shell.answers[ReadPage] = pages(3, 6, 9)
        shell.ask(kind, fail_at=fail_at)
        assert shell.reply


# ---- limits -------------------------------------------------------------------------------------


def test_hundred_rooms_can_be_joined_and_no_more() -> None:
    shell = Shell()
    for number in range(MOST_ROOMS):
        assert shell.ask("join", room=f"r{number}").code is None
    assert shell.ask("join", room="another").code == "forbidden"
    assert shell.kinds == [Send]
    assert shell.ask("join", room="r5").code is None
    shell.ask("leave", room="r6")
    assert shell.ask("join", room="another").code is None


def test_resume_of_a_hundred_rooms_is_never_refused() -> None:
    shell = Shell(Settings("async", "unix:///nowhere"))
    for kind in ("join", "read", "join"):
        for number in range(MOST_ROOMS):
            assert shell.ask(kind, room=f"r{number}").code is None, kind


def test_writing_is_limited_by_the_rate_and_says_when_to_come_back() -> None:
    shell = Shell(Settings("async", "unix:///nowhere", command_rate=20, command_burst=40)).joined()
    assert [shell.ask(kind).code for kind in ("post", "edit", "delete", "react") * 10] == [None] * 40
    assert shell.ask().code == "rate_limited"
    retry_after = shell.reply["error"]["retry_after"]
    assert 0 < retry_after <= 0.05
    assert shell.kinds == [Send]
    shell.now = retry_after
    assert shell.ask().code is None
    assert shell.ask("typing").code is None
    assert shell.ask("read").code is None
    assert shell.ask("leave").code is None


def test_every_budget_ends() -> None:
    shell = Shell(Settings("async", "unix:///nowhere")).joined()
    for kind in ("typing", "join", "post"):
        codes = [shell.ask(kind).code for _ in range(300)]
        assert "rate_limited" in codes


def test_two_hundred_refusals_close_whatever_succeeds_between_them() -> None:
    shell = Shell().joined()
    for number in range(MOST_REFUSALS - 1):
        refused = shell.ask(room="other") if number % 2 else shell.send("nonsense")
        assert Close not in refused.kinds
        assert shell.ask().code is None
    assert shell.ask(room="other").effects[-1] == Close(disconnects.TOO_MANY_REFUSALS)
    assert shell.kinds == [Send, Close]


@pytest.mark.parametrize(("rate", "closed"), [(20.0, False), (22.0, False), (25.0, True), (100.0, True)])
def test_flooder_is_closed_although_some_of_it_is_let_through(rate: float, closed: bool) -> None:
    """At 20 commands a second, three refusals a second are forgiven for ever, more are not."""
    shell = Shell(Settings("async", "unix:///nowhere")).joined()
    kinds: list[type] = []
    while shell.now < 600 and Close not in kinds:
        shell.now += 1 / rate
        kinds = shell.ask().kinds
    assert (Close in kinds) is closed


def test_outage_of_the_log_is_not_held_against_the_client() -> None:
    shell = Shell().joined()
    for _ in range(2 * MOST_REFUSALS):
        assert shell.ask(fail_at=0).code == "unavailable"
        assert Close not in shell.kinds


def test_frame_with_more_bytes_than_the_limit_closes() -> None:
    shell = Shell(Settings("async", "unix:///nowhere", max_frame=1024)).joined()
    for text in ("x" * 1025, "ü" * 513, "😀" * 257):
        assert shell.send(text).effects == [Close(disconnects.TOO_LARGE)]
        assert shell.send(text.encode()).effects == [Close(disconnects.TOO_LARGE)]
    for text in ("x" * 1024, "ü" * 512):
        assert shell.send(text).code == "malformed"


def test_binary_frame_closes() -> None:
    assert Shell().send(None).effects == [Close(disconnects.BINARY_FRAME)]
    assert not disconnects.BINARY_FRAME.reconnectable


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ('{"type":"shout","ref":5}', 5),
        ('{"ref":5', None),
        ('{"type":"post","ref":"5"}', None),
        ("[5]", None),
        ("", None),
    ],
)
def test_malformed_frame_is_answered_with_its_ref_where_one_can_be_read(text: str, ref: int | None) -> None:
    shell = Shell().joined().send(text)
    assert (shell.code, shell.reply["ref"], shell.kinds) == ("malformed", ref, [Send])
    assert shell.protocol.asked == "malformed"


# ---- with a room --------------------------------------------------------------------------------


def test_member_that_was_put_out_has_to_join_again() -> None:
    world = World(2)
    ann, bob = world.clients
    for client in (ann, bob):
        client.ask("join")
        client.finish()
    ref = ann.ask("post", id="x", text="y")
    ann.finish()
    world.deliver()
    world.flush()
    assert "result" in ann.replies(ref)[0]
    world.log.restart(lost=1)
    world.probe()
    world.read_for_fill()
    world.fill()
    assert [frame["type"] for frame in ann.frames].count("reset") == 1
    ref = ann.ask("post", id="z", text="y")
    ann.finish()
    assert ann.replies(ref)[0]["error"]["code"] == "not_joined"
    world.settle()
    world.check()


def test_reader_of_many_pages_misses_nothing_while_others_write() -> None:
    world = World(2)
    for _ in range(20):
        world.log.commit()
    reader, writer = world.clients
    reader.position = Position(epoch=world.log.epoch, offset=0)
    writer.ask("join")
    writer.finish()
    ref = reader.ask("join")
    while reader.busy and not reader.stuck:
        reader.advance()
        world.commit()
        world.deliver()
        world.flush()
        if len(world.log.entries) > 60:
            reader.finish()
    world.settle()
    world.check()
    assert len(reader.account) == len(world.log.entries)
    assert len(reader.replies(ref)) == 1
    assert [frame["type"] for frame in reader.frames].count("replay") > 3
