"""What was acknowledged is still there when everything has been stopped and started again."""

from pathlib import Path

import pytest

from stack.up import Stack
from tests.wire.client import Chat, Message, place
from tests.wire.doors import Doors
from tests.wire.people import SECRET, fresh_room, sign_in
from tests.wire.rest import Rest

SETTINGS = {"CHAT_SECRET": SECRET, "CHAT_DRAIN_SECONDS": "0"}


@pytest.mark.slow
async def test_history_sessions_and_positions_outlive_a_restart_of_everything(tmp_path: Path, http: Rest) -> None:
    stack, room = Stack(("async", "sync"), data_dir=tmp_path, settings=SETTINGS), fresh_room()
    with stack:
        one, two = stack.backends.values()
        person = sign_in(http, one.url, "Ada")
        async with Doors(http) as doors:
            ada = await doors.enter(one, room, person=person)
            first = await ada.post(room, "first", id="first")
            second = await (await doors.enter(two, room, name="Bob")).post(room, "second")
            await ada.result("read", room=room, **place(first).model_dump())
    with stack:
        async with Doors(http) as doors:
            for backend in stack.backends.values():
                back: Chat = await doors.enter(backend, person=person)
                fresh = await back.join(room)
                assert [entry.text for entry in fresh.messages if isinstance(entry, Message)] == ["first", "second"]
                assert fresh.read == place(first)
                assert fresh.epoch != first.epoch, "Redis was restarted"
                resumed = await back.join(room, place(first))
                assert (resumed.recovered, [entry.offset for entry in resumed.messages]) == (True, [second.offset])
                again = await back.post(room, "first", id="first")
                assert (again.duplicate, again.offset) == (True, first.offset)
