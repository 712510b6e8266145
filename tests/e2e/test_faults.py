"""Servers are killed, drained and frozen while people write: nothing is lost, nothing doubled, and they are told."""

import asyncio
import signal

import pytest
from playwright.async_api import WebSocketRoute, expect

from stack.redis import RedisServer
from stack.up import Stack
from tests.e2e.conftest import Invite, OpenPage
from tests.e2e.visitor import Visitor, of


@pytest.fixture
def outages() -> bool:
    """Servers are away here, and the browser may say so."""
    return True


def numbered(who: Visitor, first: int, last: int) -> list[str]:
    return [f"{who.name} {number}" for number in range(first, last)]


async def see_the_same(ann: Visitor, ben: Visitor, each: int) -> None:
    """Both screens come to show all messages once, in one order, and every author's in the order of writing."""
    seen = await ann.hears_out(2 * each)
    assert await ben.hears_out(2 * each) == seen
    for who in (ann, ben):
        assert of(who.name, seen) == numbered(who, 0, each)
        assert set(await who.states()) == {"sent"}
        await expect(who.page.get_by_test_id("broken")).to_have_count(0)  # resumed, not loaded anew


@pytest.mark.parametrize("profile", ["async", "sync"])
async def test_a_backend_is_killed_while_both_write_and_nothing_is_lost_or_doubled(
    fragile: Stack, invite: Invite, profile: str
) -> None:
    other = {"async": "sync", "sync": "async"}[profile]
    ann, ben = await invite(fragile, profile, "Ann"), await invite(fragile, other, "Ben")
    async with asyncio.TaskGroup() as group:
        group.create_task(ann.says_all(numbered(ann, 0, 10)))
        group.create_task(ben.says_all(numbered(ben, 0, 10)))
        await expect(ben.row("Ann 3")).to_be_visible()
        fragile.backends[profile].kill()
    await ann.sees_state("reconnecting")
    await ann.says_all(numbered(ann, 10, 14))
    await ben.says_all(numbered(ben, 10, 14))
    await expect(ann.rows.last).to_have_attribute("data-state", "sending")
    await expect(ann.row("Ann 13")).to_contain_text("Waiting to be sent")
    await ben.sees_state("live")

    fragile.backends[profile].start()
    await ann.sees_state("live")
    await ann.says_all(numbered(ann, 14, 15))
    await ben.says_all(numbered(ben, 14, 15))
    await see_the_same(ann, ben, 15)
    await ann.page.reload()
    await see_the_same(ann, ben, 15)


async def test_a_post_whose_reply_is_lost_on_the_way_is_there_once(
    fragile: Stack, open_page: OpenPage, invite: Invite, room: str
) -> None:
    ann, ben = Visitor(await open_page(fragile), "Ann"), await invite(fragile, "sync", "Ben")
    cut: list[WebSocketRoute] = []

    def relay(near: WebSocketRoute) -> None:
        far = near.connect_to_server()

        def to_server(message: str | bytes) -> None:
            if '"post"' in str(message) and not cut:
                cut.append(near)
            far.send(message)

        near.on_message(to_server)
        far.on_message(lambda message: None if near in cut else near.send(message))

    await ann.page.route_web_socket("**/ws", relay)
    await ann.enter(fragile.backends["async"].url, room)
    await ann.says_all(numbered(ann, 0, 2))
    await expect(ben.row("Ann 0")).to_be_visible()
    await expect(ann.row("Ann 0")).to_have_attribute("data-state", "sending")
    await cut[0].close()
    await ben.says_all(numbered(ben, 0, 2))
    await see_the_same(ann, ben, 2)


async def test_what_was_written_without_a_server_survives_a_reload_of_the_page(fragile: Stack, invite: Invite) -> None:
    ann, ben = await invite(fragile, "async", "Ann"), await invite(fragile, "sync", "Ben")
    await ann.says_all(numbered(ann, 0, 1))
    await ben.says_all(numbered(ben, 0, 1))
    await ann.hears_out(2)
    fragile.backends["async"].kill()
    await ann.says_all(numbered(ann, 1, 3))
    await expect(ann.row("Ann 2")).not_to_have_attribute("data-state", "sent")
    fragile.backends["async"].start()
    await ann.page.reload()
    await ben.says_all(numbered(ben, 1, 3))
    await see_the_same(ann, ben, 3)


@pytest.mark.parametrize("profile", ["async", "sync"])
async def test_a_backend_is_drained_and_its_people_come_back(fragile: Stack, invite: Invite, profile: str) -> None:
    other = {"async": "sync", "sync": "async"}[profile]
    ann, ben = await invite(fragile, profile, "Ann"), await invite(fragile, other, "Ben")
    async with asyncio.TaskGroup() as group:
        group.create_task(ann.says_all(numbered(ann, 0, 10)))
        group.create_task(ben.says_all(numbered(ben, 0, 10)))
        await expect(ben.row("Ann 3")).to_be_visible()
        fragile.backends[profile].terminate()
    await ann.sees_state("reconnecting")
    assert fragile.backends[profile].wait(10) in (0, -signal.SIGTERM), "it had to be killed"
    fragile.backends[profile].start()
    await see_the_same(ann, ben, 10)
    await ann.sees_state("live")


async def test_redis_stands_still_for_a_while_and_what_was_written_is_sent_once(fragile: Stack, invite: Invite) -> None:
    assert isinstance(fragile.redis, RedisServer)
    ann, ben = await invite(fragile, "async", "Ann"), await invite(fragile, "sync", "Ben")
    await ann.says_all(numbered(ann, 0, 1))
    await ben.says_all(numbered(ben, 0, 1))
    await ann.hears_out(2)
    fragile.redis.freeze()
    try:
        await ann.says_all(numbered(ann, 1, 3))
        await ben.says_all(numbered(ben, 1, 3))
        for who in (ann, ben):
            await expect(who.row(f"{who.name} 1")).to_have_attribute("data-state", "unknown")
            await expect(who.row(f"{who.name} 2")).to_have_attribute("data-state", "sending")
            await who.sees_state("degraded")
            await expect(who.page.get_by_text("Messages are delayed at the moment")).to_be_visible()
    finally:
        fragile.redis.thaw()
    for who in (ann, ben):
        await who.sees_state("live")
    await see_the_same(ann, ben, 3)


async def test_redis_is_killed_and_started_again_and_the_talk_goes_on(fragile: Stack, invite: Invite) -> None:
    assert isinstance(fragile.redis, RedisServer)
    ann, ben = await invite(fragile, "async", "Ann"), await invite(fragile, "sync", "Ben")
    await ann.says_all(numbered(ann, 0, 2))
    await ben.says_all(numbered(ben, 0, 2))
    await ann.hears_out(4)
    fragile.redis.kill()
    await ann.says_all(numbered(ann, 2, 4))
    await ben.says_all(numbered(ben, 2, 4))
    await ann.sees_state("degraded")
    fragile.redis.start()
    await see_the_same(ann, ben, 4)
    await ann.sees_state("live")
