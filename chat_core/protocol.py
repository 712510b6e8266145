"""One connection's conversation, as flows of effects: what each command does and what its one reply says.

A shell drives the flow of one frame to its end before it takes the next, so what one connection asks is done in the
order in which it was asked. A live member's messages do not pass through here: see ``rooms`` and the shells' hubs.
"""

from collections.abc import Callable, Generator
from typing import Any, Final, cast

from chat_core import codec, disconnects, log
from chat_core.codec import Malformed
from chat_core.effects import (
    Admit,
    Close,
    Commit,
    Depart,
    Drained,
    Effect,
    Enter,
    Flow,
    Mark,
    PublishTyping,
    ReadPage,
    Send,
)
from chat_core.frames import (
    Command,
    Delete,
    Edit,
    Join,
    Leave,
    Position,
    Post,
    React,
    Read,
    RefusalCode,
    Typing,
    User,
)
from chat_core.limits import MOST_REFUSALS, MOST_ROOMS, REFUSALS_FORGOTTEN, TokenBucket
from chat_core.log import Author, Committed, Page, Unavailable
from chat_core.presence import State, union
from chat_core.settings import Settings

MESSAGES: Final[dict[RefusalCode, str]] = {
    "not_joined": "join the room first",
    "forbidden": "only its author may do that",
    "gone": "what this is about is no longer there",
    "stale_epoch": "this position is of a log that has ended; join again",
    "id_conflict": "this id was used for something else",
    "unavailable": "the outcome is unknown: resume, then try again with the same id",
}


class Refused(Exception):
    """Ends a flow with a refusal."""

    def __init__(self, code: RefusalCode, message: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or MESSAGES[code]
        self.retry_after = retry_after


Answer = Generator[Effect, Any, str | None]
"""A flow that returns the result of its reply as JSON; None where it has sent the reply itself."""


class Protocol:
    """The state of one conversation: who speaks, which rooms they joined, how much they may still ask."""

    __slots__ = (
        "_author",
        "_max_frame",
        "_max_text",
        "_moves",
        "_patience",
        "_signals",
        "_writes",
        "asked",
        "rooms",
        "user",
    )

    def __init__(self, user: User, settings: Settings, *, moderator: bool = False) -> None:
        self.user = user
        self.rooms: set[str] = set()
        self.asked = "malformed"
        """The type of the last command, as metrics count it."""
        self._author = Author.of(user, moderator=moderator)
        self._max_frame = settings.max_frame
        self._max_text = settings.max_text
        self._patience: TokenBucket | None = None
        rate = settings.command_rate
        # The names of the buckets are those of the table at the end of this module.
        self._writes = TokenBucket(rate, settings.command_burst)
        # A resume of all rooms, each left and joined again, and a read marker for each, must never be refused.
        self._moves = TokenBucket(min(rate, 20), 2 * MOST_ROOMS + 40)
        self._signals = TokenBucket(min(rate, 10), MOST_ROOMS + 20)

    def receive(self, text: str | bytes | None, now: float) -> Flow:
        """Return the flow for one text frame, or for a binary one (None). ``now`` is in monotonic seconds."""
        self.asked = "malformed"
        if text is None:
            yield Close(disconnects.BINARY_FRAME)
            return
        if _larger(text, self._max_frame):
            yield Close(disconnects.TOO_LARGE)
            return
        ref = None
        try:
            command = codec.decode(text)
            ref, self.asked = command.ref, command.type
            answer = yield from self._answer(command, now)
        except Malformed as error:
            yield from self._refuse(error.ref, Refused("malformed", str(error)), now)
        except Refused as refused:
            yield from self._refuse(ref, refused, now)
        except Unavailable:
            yield from self._refuse(ref, Refused("unavailable"), now)
        else:
            if answer is not None:
                yield Send(codec.reply(ref, answer))

    def dropped(self, room: str) -> None:
        """The hub has ended this connection's membership of ``room``."""
        self.rooms.discard(room)

    def _answer(self, command: Command, now: float) -> Answer:
        budget, handler = HANDLERS[type(command)]
        bucket: TokenBucket = getattr(self, budget)
        if wait := bucket.take(now):
            raise Refused("rate_limited", "too many commands", retry_after=wait)
        if not isinstance(command, Join) and command.room not in self.rooms:
            raise Refused("not_joined")
        return (yield from handler(self, command))

    def _refuse(self, ref: int | None, refused: Refused, now: float) -> Flow:
        yield Send(codec.refusal(ref, refused.code, refused.message, refused.retry_after), refused.code)
        if refused.code == "unavailable":  # no fault of the client's
            return
        if self._patience is None:  # most connections never need it
            self._patience = TokenBucket(REFUSALS_FORGOTTEN, MOST_REFUSALS - 1)
        if self._patience.take(now):
            yield Close(disconnects.TOO_MANY_REFUSALS)

    # ---- writing --------------------------------------------------------------------------------

    def _commit(self, command: log.Commitment) -> Answer:
        if isinstance(command, Post | Edit) and len(command.text) > self._max_text:
            raise Refused("too_long", f"a message has at most {self._max_text} characters")
        outcome = yield Commit(log.write(command, self._author))
        if isinstance(outcome, Committed):
            return outcome.json()
        full = isinstance(command, React) and outcome == "forbidden"
        raise Refused(cast(RefusalCode, outcome), "a message takes no more reactions" if full else None)

    def _typing(self, command: Typing) -> Answer:
        yield PublishTyping(command.room, codec.push("typing", room=command.room, user=self.user))
        return "{}"

    def _read(self, command: Read) -> Answer:
        result = yield Mark(command.room, Position(epoch=command.epoch, offset=command.offset))
        if result != "ok":
            raise Refused(cast(RefusalCode, result))
        return "{}"

    # ---- membership -----------------------------------------------------------------------------

    def _leave(self, command: Command) -> Answer:
        self.rooms.discard(command.room)
        yield Depart(command.room)
        return "{}"

    def _join(self, command: Join) -> Answer:
        room = command.room
        if room in self.rooms:
            self.rooms.discard(room)
            yield Depart(room)
        if len(self.rooms) >= MOST_ROOMS:
            raise Refused("forbidden", f"at most {MOST_ROOMS} rooms can be joined")
        yield Enter(room)
        try:
            page: Page = yield ReadPage(room, "join", command.since)
            live = yield from self._catch_up(room, page, _JoinReply(command.ref, page, self.user))
        except Unavailable:
            yield Depart(room)
            raise
        if live:
            self.rooms.add(room)
        return None

    def _catch_up(self, room: str, page: Page, reply: "_JoinReply") -> Generator[Effect, Any, bool]:
        """Send pages until the log's end is reached, and go live there: the last page and the membership are one step.

        Once the reply is out, a log that cannot be read on is told by a reset: then this returns False.
        """
        frame: _JoinReply | _Replay = reply
        while True:
            try:
                if not page.more and (yield Admit(room, page, frame.encode(page, more=False))):
                    return True
                yield Send(frame.encode(page, more=True))
                frame = _Replay(room)
                yield Drained()
                following = yield ReadPage(room, "more", Position(epoch=page.epoch, offset=page.offset))
            except Unavailable:
                if frame is reply:
                    raise
                following = None
            if following is None or not following.recovered:
                yield Depart(room)
                last = following or page
                yield Send(codec.push("reset", room=room, epoch=last.epoch, offset=last.top))
                return False
            page = following


def _larger(text: str | bytes, limit: int) -> bool:
    """Return whether a frame has more than ``limit`` bytes. Not every server counts bytes: some count characters."""
    if isinstance(text, bytes):
        return len(text) > limit
    return len(text) * 4 > limit and len(text.encode()) > limit


class _JoinReply:
    """The reply to a join, with the room's first page."""

    def __init__(self, ref: int, page: Page, user: User) -> None:
        self._ref = ref
        states = [record.state for record in page.presence.values()]
        self._members = union([*states, State(1, {user.id: user.name})]).json().decode()

    def encode(self, page: Page, *, more: bool) -> bytes:
        result = (
            f'{{"epoch":"{page.epoch}","offset":{page.offset},"recovered":{codec.dump(page.recovered)},'
            f'"messages":{codec.array(page.entries)},"more":{codec.dump(more)},'
            f'"members":{self._members},"read":{log.position(page.read) if page.read else "null"}}}'
        )
        return codec.reply(self._ref, result)


class _Replay:
    """A further page of what was missed."""

    def __init__(self, room: str) -> None:
        self._room = room

    def encode(self, page: Page, *, more: bool) -> bytes:
        messages = codec.array(page.entries)
        return f'{{"type":"replay","room":"{self._room}","messages":{messages},"more":{codec.dump(more)}}}'.encode()


HANDLERS: Final[dict[type[Command], tuple[str, Callable[[Protocol, Any], Answer]]]] = {
    Join: ("_moves", Protocol._join),
    Leave: ("_moves", Protocol._leave),
    Post: ("_writes", Protocol._commit),
    Edit: ("_writes", Protocol._commit),
    Delete: ("_writes", Protocol._commit),
    React: ("_writes", Protocol._commit),
    Typing: ("_signals", Protocol._typing),
    Read: ("_signals", Protocol._read),
}
"""Each command with the budget it is charged to and the flow that carries it out."""
