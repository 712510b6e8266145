"""One connection of `async_chat` in steps: what is begun where it was read, and what has to wait for its turn."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from uvicorn.server import ServerState
from websockets.protocol import Protocol as WebSocketParser
from websockets.protocol import State

from async_chat.connection import Connection
from async_chat.outbox import Message, PreparedOutbox
from async_chat.ws_protocol import EXTENSION, ChatWebSocketProtocol
from chat_core import disconnects
from chat_core.frames import User
from chat_core.log import Committed, Write
from chat_core.metrics import Metrics
from chat_core.protocol import Protocol
from chat_core.sessions import Session
from chat_core.settings import read
from tests.ends.peer import CLOSE, TEXT, Frame, frame, frames_in

ROOM = "room"


class Transport(asyncio.Transport):
    """Keeps what was written, and when it was read from no further."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closing = False
        self.paused: list[bool] = [False]

    def write(self, data: Any) -> None:
        if data:
            self.writes.append(data)

    def pause_reading(self) -> None:
        self.paused.append(True)

    def resume_reading(self) -> None:
        self.paused.append(False)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Bus:
    """Commits when it is told to."""

    def __init__(self) -> None:
        self.submitted: list[tuple[str, Any]] = []

    def submit(self, write: Write, settle: Any) -> None:
        self.submitted.append((write.arguments[3], settle))

    @property
    def ids(self) -> list[str]:
        return [id_ for id_, _ in self.submitted]

    def settle(self, place: int) -> None:
        self.submitted[place][1](Committed("0" * 16, place + 1, duplicate=False))


class Hub:
    """Nobody else is here."""

    def __init__(self) -> None:
        self.departed: list[str] = []

    def add(self, connection: Connection) -> None:
        pass

    def remove(self, connection: Connection, rooms: tuple[str, ...]) -> None:
        pass

    def depart(self, room: str, connection: Connection) -> None:
        self.departed.append(room)


async def send(message: Message) -> None:
    """Nothing: frames go to the transport."""


class Steps:
    """A connection that has joined ROOM, and what is around it."""

    serving: asyncio.Task[None]

    def __init__(self) -> None:
        settings = read("async", {"CHAT_REDIS_URL": "redis://127.0.0.1:1"})
        config = uvicorn.Config(self.application, ws_per_message_deflate=False, log_config=None)
        self.protocol = ChatWebSocketProtocol(config, ServerState(), {})
        self.transport = Transport()
        self.protocol.connection_made(self.transport)
        self.bus, self.hub = Bus(), Hub()
        scope = {"extensions": {EXTENSION: {"connection": self.protocol}}}
        receive: Any = self.protocol.receive
        self.outbox = PreparedOutbox(scope, receive, send, 1 << 20)
        session = Session(User(id="ada", name="Ada"), False, int(time.time()) + 3600)
        parts: Any = (session, self.outbox, self.bus, self.hub, settings, Metrics())
        self.connection = Connection(*parts)
        self.connection.rooms.add(ROOM)
        self._refs = 0

    def open(self) -> None:
        """The handshake is over."""
        self.protocol.handshake_complete = True
        self.protocol.conn.state = State.OPEN
        self.protocol.conn.parser = WebSocketParser.parse(self.protocol.conn)
        next(self.protocol.conn.parser)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Nothing: the connection is served without a server."""

    def read(self, kind: str, id_: str = "") -> None:
        """A frame has been read."""
        self._refs += 1
        fields = {"id": id_, "text": "x"} if kind == "post" else {}
        text = json.dumps({"type": kind, "ref": self._refs, "room": ROOM, **fields})
        self.protocol.hand_over({"type": "websocket.receive", "text": text})

    def answered(self) -> list[int]:
        """The refs of the replies, in their order."""
        return [json.loads(sent.payload)["ref"] for sent in self.frames()]

    def frames(self) -> list[Frame]:
        """What was written."""
        return list(frames_in(b"".join(self.transport.writes)))


@pytest_asyncio.fixture
async def steps() -> AsyncIterator[Steps]:
    around = Steps()
    around.serving = asyncio.create_task(around.connection.serve())
    await rounds()
    yield around
    around.serving.cancel()
    await asyncio.gather(around.serving, return_exceptions=True)


async def rounds() -> None:
    """Let everything happen that is due."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_post_is_submitted_in_the_step_in_which_it_was_read(steps: Steps) -> None:
    steps.read("post", "a")
    assert steps.bus.ids == ["a"]
    steps.bus.settle(0)
    await rounds()
    assert steps.answered() == [1]


async def test_what_is_read_between_an_outcome_and_the_next_turn_does_not_overtake(steps: Steps) -> None:
    steps.read("post", "a")
    steps.read("post", "b")
    await rounds()
    assert steps.bus.ids == ["a"], "the second waits until the first is answered"
    steps.bus.settle(0)
    steps.read("post", "c")
    assert steps.bus.ids == ["a"], "the task that has the second has not woken yet"
    await rounds()
    assert steps.bus.ids == ["a", "b"]
    steps.bus.settle(1)
    await rounds()
    assert steps.bus.ids == ["a", "b", "c"]
    steps.bus.settle(2)
    steps.read("post", "d")
    await rounds()
    steps.bus.settle(3)
    await rounds()
    assert steps.answered() == [1, 2, 3, 4]


async def test_what_is_no_commit_is_left_to_the_task_and_holds_back_what_follows(steps: Steps) -> None:
    steps.read("leave")
    steps.read("post", "a")
    assert not steps.hub.departed
    await rounds()
    assert steps.hub.departed == [ROOM]
    assert steps.answered() == [1, 2]
    assert steps.bus.ids == [], "a post after leaving is refused"


async def test_who_is_ahead_is_read_no_further_until_there_is_room(steps: Steps) -> None:
    steps.read("post", "a")
    await rounds()
    steps.read("post", "b")
    await rounds()
    assert steps.transport.paused == [False]
    steps.read("post", "c")
    assert steps.transport.paused == [False, True]
    steps.bus.settle(0)
    await rounds()
    assert steps.transport.paused == [False, True, False]


async def test_a_reply_goes_with_what_is_written_in_the_same_round_and_else_soon_by_itself(steps: Steps) -> None:
    steps.read("post", "a")
    steps.bus.settle(0)
    await asyncio.sleep(0)
    steps.outbox.write(steps.outbox.prepare([b'{"ref":99}']))
    assert len(steps.transport.writes) == 1
    assert steps.answered() == [1, 99]
    steps.read("post", "b")
    steps.bus.settle(1)
    await rounds()
    assert steps.answered() == [1, 99, 2]
    assert len(steps.transport.writes) == 2


async def test_a_reply_goes_before_the_close_frame_that_follows_it(steps: Steps) -> None:
    steps.open()
    steps.read("post", "a")
    steps.bus.settle(0)
    steps.protocol.shutdown()
    await rounds()
    assert [sent.opcode for sent in steps.frames()] == [TEXT, CLOSE]


async def test_a_reply_goes_before_the_answer_to_the_peers_close(steps: Steps) -> None:
    steps.open()
    steps.read("post", "a")
    steps.bus.settle(0)
    steps.protocol.data_received(frame(b"\x03\xe8", CLOSE))
    await rounds()
    assert [sent.opcode for sent in steps.frames()] == [TEXT, CLOSE]


async def test_what_is_written_soon_counts_as_queued_and_is_dropped_with_the_connection(steps: Steps) -> None:
    page = steps.outbox.prepare([b"x" * 1000])
    steps.outbox.write_soon(page)
    assert steps.outbox.queued == len(page)
    steps.outbox.abort(disconnects.SLOW)
    assert steps.outbox.queued == 0
    steps.transport.closing = True
    for _ in range(3):
        steps.outbox.write_soon(page)
    assert steps.outbox.queued == 0, "nothing piles up for one who has gone"
    await rounds()
    assert steps.transport.writes == []


async def test_a_fault_of_ours_closes_the_connection_and_holds_up_nothing(
    steps: Steps, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Iterator[None]:
        yield from map(math.sqrt, [-1])

    steps.open()
    monkeypatch.setattr(Protocol, "receive", fail)
    steps.read("post", "a")
    await rounds()
    assert [sent.code for sent in steps.frames()] == [disconnects.INTERNAL.code]
    assert [record.message for record in caplog.records] == ["a connection failed"]
    assert steps.serving.done()
