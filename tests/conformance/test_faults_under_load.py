"""Redis restarted, cut short, set back, emptied and cut off from its subscribers while people write all the time."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis import Redis

from chat_core import keys, log
from chat_core.frames import Post, User
from stack.redis import RedisServer
from tests.conformance.conftest import PROFILES
from tests.conformance.persistence import insist, join_again, refused_fast
from tests.conformance.together import Together, until
from tests.wire.client import Chat, Notice, Position, Reset, fresh_id
from tests.wire.doors import Doors
from tests.wire.people import fresh_room
from tests.wire.raw import RawPeer
from tests.wire.rest import Rest
from tests.wire.servers import Servers, Site, site_of

SITES = (*PROFILES, "async+sync")
CROWD = 40
LONG = "x" * 3900

Entry = dict[str, Any]

each_site = pytest.mark.parametrize("site_name", SITES)


class Victim:
    """The Redis of these tests and the backends on it, and what is done to them."""

    def __init__(self, servers: Servers) -> None:
        self.redis: RedisServer = servers.redis
        self._backends = [servers.backend(profile) for profile in PROFILES]
        self._kept = b""

    def nothing(self) -> None:
        """Only let everybody come this far."""

    def remember(self) -> None:
        """Keep what is on disk now."""
        self._kept = self._file.read_bytes()

    def set_back(self) -> None:
        """Kill Redis with -9 and start it with what was kept, as from a snapshot."""
        self.redis.kill()
        self._file.write_bytes(self._kept)
        self.redis.start()

    def restart(self) -> None:
        """Kill Redis with -9 and start it with all it has on disk."""
        self.redis.kill()
        self.redis.start()

    def empty(self) -> None:
        """FLUSHALL."""
        with Redis.from_url(self.redis.url) as client:
            client.flushall()

    def cut_subscribers(self) -> None:
        """End the connections that carry publications, and no others, as soon as each backend has one."""
        with Redis.from_url(self.redis.url) as client:
            while len(client.client_list(_type="pubsub")) < len(self._backends):
                assert all(backend.running for backend in self._backends)
            assert client.client_kill_filter(_type="pubsub") >= len(self._backends)

    def freeze(self) -> None:
        self.redis.freeze()

    def thaw(self) -> None:
        self.redis.thaw()

    def freeze_backends(self) -> None:
        for backend in self._backends:
            backend.freeze()

    def thaw_backends(self) -> None:
        for backend in self._backends:
            backend.thaw()

    def thaw_backends_cut_off(self) -> None:
        """Thaw the backends, whose subscriptions Redis has ended by now because they took nothing."""
        with Redis.from_url(self.redis.url) as client:
            assert not client.client_list(_type="pubsub")
            client.config_set("client-output-buffer-limit", "pubsub 67108864 33554432 60")
        self.thaw_backends()

    def freeze_backends_on_short_rations(self) -> None:
        """Freeze the backends, and let Redis have 64 KiB for each that does not read."""
        with Redis.from_url(self.redis.url) as client:
            client.config_set("client-output-buffer-limit", "pubsub 65536 0 0")
        self.freeze_backends()

    @property
    def _file(self) -> Path:
        return self.redis.append_only_file()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, server_logs: Path) -> Iterator[Servers]:
    """Servers of our own, since they are about to be hurt."""
    hurt = Servers(tmp_path_factory.mktemp("loaded"), server_logs)
    for profile in PROFILES:
        hurt.backend(profile)
    yield hurt
    hurt.stop()


@pytest.fixture(scope="module")
def together(faulty: Servers) -> Together:
    return Together([site_of(faulty, name) for name in SITES])


@pytest.fixture(scope="module")
def victim(faulty: Servers) -> Victim:
    return Victim(faulty)


class Speakers:
    """Four people who write without a pause, two at each backend, and what they were told."""

    def __init__(self, room: str, chats: list[Chat]) -> None:
        self.room, self.chats = room, chats
        self.acknowledged: dict[Position, str] = {}
        self._writing = True
        self._tasks = [asyncio.create_task(self._speak(chat, place)) for place, chat in enumerate(chats)]

    @classmethod
    async def begin(cls, site: Site, doors: Doors) -> "Speakers":
        room = fresh_room()
        chats = [await doors.enter(backend, room) for backend in (site.here, site.there) * 2]
        return cls(room, chats)

    async def go_on(self, count: int = 40) -> None:
        """Wait until that many more messages have been acknowledged."""
        wanted = len(self.acknowledged) + count
        await until(lambda: len(self.acknowledged) >= wanted or any(task.done() for task in self._tasks), within=15)

    async def fall_silent(self) -> list[Entry]:
        """Stop, wait until all have got everything, and return the room's whole log."""
        self._writing = False
        await asyncio.gather(*self._tasks)
        last = await insist(self.chats[0], self.room, "the last word")
        for chat in self.chats:
            await self._bring(chat, (last.epoch, last.offset))
        await self.chats[0].join_whole(self.room, Position(epoch=last.epoch, offset=0))
        return [entry.model_dump() for entry in self.chats[0].ledger(self.room).entries[-last.offset :]]

    async def _bring(self, chat: Chat, end: tuple[str, int]) -> None:
        """Wait until a client has got everything, joining again where it was put out after it last wrote."""
        ledger = chat.ledger(self.room)
        async with asyncio.timeout(15):
            while self._at(chat) != end:
                if ledger.live:
                    await chat.until(lambda: self._at(chat) == end or not ledger.live, within=15)
                else:
                    await join_again(chat, self.room)

    def _at(self, chat: Chat) -> tuple[str, int]:
        position = chat.ledger(self.room).position
        assert position
        return position.epoch, position.offset

    async def _speak(self, chat: Chat, place: int) -> None:
        number = 0
        while self._writing:
            text = f"{place}.{number}"
            result = await insist(chat, self.room, text, within=12)
            where = Position(epoch=result.epoch, offset=result.offset)
            assert self.acknowledged.setdefault(where, text) == text, "a position was given twice"
            number += 1
            await asyncio.sleep(0.01)


def _entries(chat: Chat, room: str) -> Iterator[Entry]:
    """Yield all log entries of a room that a client was ever sent, in pushes, replays and replies."""
    for frame in map(json.loads, chat.frames):
        found = [frame, *frame.get("messages", []), *(frame.get("result") or {}).get("messages", [])]
        yield from (entry for entry in found if entry.get("type") == "message" and entry["room"] == room)


def _check(speakers: Speakers, final: list[Entry]) -> set[Position]:
    """Hold what was said and seen to the log as it ended; returns the acknowledged positions that it lacks."""
    meant: dict[tuple[str, int], str] = {(one.epoch, one.offset): text for one, text in speakers.acknowledged.items()}
    kept = {(entry["epoch"], entry["offset"]) for entry in final}
    assert max(Counter(entry["text"] for entry in final).values()) == 1, "doubled"
    for chat in speakers.chats:
        gone = False
        for entry in _entries(chat, speakers.room):
            where = entry["epoch"], entry["offset"]
            assert meant.setdefault(where, entry["text"]) == entry["text"], "a position means two messages"
            gone = gone or where not in kept
        assert not gone or [reset for reset in chat.seen(Reset) if reset.room == speakers.room], "nobody said so"
    return {position for position in speakers.acknowledged if (position.epoch, position.offset) not in kept}


async def _lossless(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    speakers = await Speakers.begin(site, doors)
    await speakers.go_on()
    yield
    await speakers.go_on()
    yield
    await speakers.go_on()
    final = await speakers.fall_silent()
    assert not _check(speakers, final)
    for chat in speakers.chats:
        assert not chat.seen(Reset)


async def _lossy(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    speakers = await Speakers.begin(site, doors)
    await speakers.go_on()
    yield
    await speakers.go_on()
    yield
    await speakers.go_on()
    assert _check(speakers, await speakers.fall_silent()), "nothing was lost: the fault was none"


@each_site
def test_a_restart_of_redis_loses_and_doubles_nothing(site_name: str, together: Together, victim: Victim) -> None:
    together.tell(_lossless, site_name, victim.restart, victim.restart)


@each_site
def test_subscribers_that_are_cut_off_miss_nothing(site_name: str, together: Together, victim: Victim) -> None:
    together.tell(_lossless, site_name, victim.cut_subscribers, victim.cut_subscribers)


@each_site
def test_what_an_older_snapshot_lacks_is_told_and_no_position_is_given_twice(
    site_name: str, together: Together, victim: Victim
) -> None:
    together.tell(_lossy, site_name, victim.remember, victim.set_back)


@each_site
def test_what_an_emptied_redis_lacks_is_told_and_no_position_is_given_twice(
    site_name: str, together: Together, victim: Victim
) -> None:
    together.tell(_lossy, site_name, victim.nothing, victim.empty)


async def _a_crowd(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room = fresh_room()
    crowd = [await doors.enter(backend, room) for backend in (site.here, site.there) * (CROWD // 2)]
    before = await crowd[0].post(room, "before")
    processes = [psutil.Process(backend.pids()[-1]) for backend in site.backends]
    threads = [process.num_threads() for process in processes]
    yield
    held = {fresh_id(): chat for chat in crowd[: CROWD // 2]}
    posts = (refused_fast(chat, "post", room=room, id=id, text=id) for id, chat in held.items())
    joins = (refused_fast(chat, "join", room=fresh_room()) for chat in crowd[CROWD // 2 :])
    await asyncio.gather(*posts, *joins)  # all at once, before anybody knows that Redis does not answer
    for chat in crowd:
        assert (await chat.expect(Notice, within=10)).notice == "degraded"
    await asyncio.gather(*(refused_fast(chat, "post", room=room, id=id, text=id) for id, chat in held.items()))
    assert [process.num_threads() for process in processes] <= [count + 4 for count in threads]
    yield
    results = await asyncio.gather(*(insist(chat, room, id, id=id) for id, chat in held.items()))
    last = max(results, key=lambda result: result.offset)
    assert last.offset == before.offset + len(held)
    for chat in crowd:
        await chat.reached(room, last)
        texts = chat.ledger(room).texts
        assert sorted(text for text in texts if text and text != "before") == sorted(held)


@each_site
def test_a_crowd_is_answered_within_a_second_and_ends_exactly_once(
    site_name: str, together: Together, victim: Victim
) -> None:
    together.tell(_a_crowd, site_name, victim.freeze, victim.thaw)


async def _fallen_behind(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room, peers = await _quick_readers(site, doors)
    yield
    last = await asyncio.to_thread(_write_past_backends, site.redis.url, room, [LONG] * 40, 7)
    yield
    await _get_all(room, peers, last)


async def _a_large_batch(site: Site, doors: Doors, http: Rest) -> AsyncGenerator[None]:
    room, peers = await _quick_readers(site, doors)
    last = await asyncio.to_thread(_write_past_backends, site.redis.url, room, ["€" * 4000] * 200, 1)
    await _get_all(room, peers, last)
    yield


async def _quick_readers(site: Site, doors: Doors) -> tuple[str, list[RawPeer]]:
    """Members of a room who check little, and so read fast."""
    room = fresh_room()
    peers = [await doors.dial(backend) for backend in (site.here, site.there)]
    for peer in peers:
        peer.command("join", room=room)
        assert "result" in await peer.reply()
    return room, peers


async def _get_all(room: str, peers: list[RawPeer], last: int) -> None:
    await asyncio.gather(*(_reads_all(peer, last) for peer in peers))
    peers[0].command("post", ref=2, room=room, id=fresh_id(), text="nobody was taken for slow")
    assert (await peers[0].reply(2))["result"]["offset"] == last + 1


async def _reads_all(peer: RawPeer, last: int) -> None:
    """Read the room's messages from the first to the last, with nothing missing between."""
    due = 1
    while due <= last:
        payload = (await peer.receive(within=15)).payload
        if payload.startswith(b'{"type":"message"'):
            assert b'"offset":%d,' % due in payload[:120]
            due += 1
        assert not payload.startswith(b'{"type":"reset"')


def _write_past_backends(url: str, room: str, texts: list[str], times: int) -> int:
    """Write ``texts`` as one batch, as a backend would, some times; returns the offset of the last."""
    author, script = log.Author.of(User(id="w" * 16, name="Writer"), moderator=False), log.script("commit")
    end = 0
    with Redis.from_url(url) as client:
        for _ in range(times):
            posts = [Post(type="post", ref=1, room=room, id=fresh_id(), text=text) for text in texts]
            arguments = log.commit_arguments(
                keys.shard_of(room, 1), 10_000, [log.write(post, author) for post in posts]
            )
            outcomes = [log.outcome(result) for result in client.eval(script.source, 1, *arguments)]
            end = max(outcome.offset for outcome in outcomes if isinstance(outcome, log.Committed))
    return end


@each_site
def test_a_batch_larger_than_an_outbox_cuts_nobody_who_reads(site_name: str, together: Together) -> None:
    together.tell(_a_large_batch, site_name)


@each_site
def test_a_server_that_fell_behind_catches_up_and_takes_nobody_for_slow(
    site_name: str, together: Together, victim: Victim
) -> None:
    together.tell(_fallen_behind, site_name, victim.freeze_backends, victim.thaw_backends)


@each_site
def test_a_subscriber_that_redis_gave_up_on_fills_what_it_missed(
    site_name: str, together: Together, victim: Victim
) -> None:
    together.tell(
        _fallen_behind,
        site_name,
        victim.freeze_backends_on_short_rations,
        victim.thaw_backends_cut_off,
    )
