"""One order for all, and everything exactly once, whoever speaks and joins while it goes on."""

import asyncio
import json
import random

from tests.conformance.conftest import Enter
from tests.wire.client import Chat, CommitResult, fresh_id, place
from tests.wire.people import fresh_room
from tests.wire.servers import Site


async def _speak(chat: Chat, room: str, count: int) -> list[CommitResult]:
    return [await chat.post(room, f"{number}") for number in range(count)]


async def test_several_speakers_on_both_backends_are_heard_in_one_order(site: Site, room: str, enter: Enter) -> None:
    speakers = [await enter(backend, room, name=f"S{n}") for n, backend in enumerate((site.here, site.there) * 3)]
    spoken = await asyncio.gather(*(_speak(chat, room, 15) for chat in speakers))
    acknowledged = {result.offset: result.epoch for results in spoken for result in results}
    assert sorted(acknowledged) == list(range(1, 91))
    for chat in speakers:
        await chat.reached(room, max(spoken, key=lambda results: results[-1].offset)[-1])
        assert chat.ledger(room).keys == speakers[0].ledger(room).keys
    assert [offset for _, offset, _ in speakers[0].ledger(room).keys] == list(range(1, 91))


async def test_those_who_join_in_the_middle_miss_nothing(site: Site, room: str, enter: Enter) -> None:
    speakers = [await enter(backend, room, name=f"S{n}") for n, backend in enumerate((site.here, site.there) * 5)]
    start = place(await speakers[0].post(room, "start"))
    speaking = asyncio.gather(*(_speak(chat, room, 12) for chat in speakers))
    latecomers: list[Chat] = []
    while not speaking.done():
        chat = await enter(site.backends[len(latecomers) % len(site.backends)], name="Late")
        await chat.join_whole(room, start)
        latecomers.append(chat)
    last = max((results[-1] for results in await speaking), key=lambda result: result.offset)
    assert last.offset == 121
    assert latecomers
    for chat in latecomers:
        await chat.reached(room, last)
        assert [offset for _, offset, _ in chat.ledger(room).keys] == list(range(2, 122))


async def test_one_connection_is_answered_in_the_order_in_which_it_asked(site: Site, room: str, enter: Enter) -> None:
    ada = await enter(site.here, room)
    results = await asyncio.gather(*(ada.post(room, f"{number}") for number in range(20)))
    assert [result.offset for result in results] == list(range(1, 21))
    await ada.reached(room, results[-1])
    assert ada.ledger(room).texts == [f"{number}" for number in range(20)]


async def test_whatever_is_asked_is_done_in_the_order_in_which_it_was_asked(
    site: Site, room: str, enter: Enter
) -> None:
    """Each command is sent while some of those before it wait for a commit, some for a page, some for their turn."""
    ada, other, dice = await enter(site.here, room), fresh_room(), random.Random(5)
    asked: list[str] = []
    for _ in range(6):
        for kind, where in (
            ("post", room),
            ("typing", room),
            ("join", other),
            ("post", other),
            ("leave", other),
            ("post", other),
        ):
            fields = {"id": fresh_id(), "text": f"{len(asked)}"} if kind == "post" else {}
            await ada.send(json.dumps({"type": kind, "ref": 1000 + len(asked), "room": where, **fields}))
            asked.append(kind)
            await asyncio.sleep(dice.choice((0, 0, 0.001, 0.004, 0.02)))
    await ada.until(lambda: len(ada.loose) == len(asked))
    assert [reply.ref for reply in ada.loose] == list(range(1000, 1000 + len(asked)))
    refused = [place for place, reply in enumerate(ada.loose) if reply.error]
    assert refused == list(range(5, len(asked), 6)), "what is posted after leaving, and nothing else, is refused"
    await ada.until(lambda: len(ada.ledger(room).texts) == 6)
    assert ada.ledger(room).texts == [f"{place}" for place in range(0, len(asked), 6)]
