"""Two people, two browsers, two backends, one room."""

import asyncio
import re

from playwright.async_api import expect

from stack.up import Stack
from tests.e2e.conftest import Invite
from tests.e2e.visitor import of


async def test_two_people_on_two_backends_talk_with_each_other(stack: Stack, invite: Invite, room: str) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    await expect(ann.page.get_by_test_id("backend-badge")).to_have_text("FastAPI")
    await expect(ben.page.get_by_test_id("backend-badge")).to_have_text("Flask")
    for somebody in (ann, ben):
        await expect(somebody.members).to_have_attribute("data-count", "2")
        await expect(somebody.members.locator("li .name")).to_have_text(["Ann", "Ben"])

    await ben.composer.press_sequentially("Hel")
    await expect(ann.typing).to_have_text("Ben is typing…")
    await ben.say("Hello from Flask")
    await ann.sees("Hello from Flask")
    await expect(ann.typing).to_be_empty()
    await ann.say("Hello from FastAPI")
    for somebody in (ann, ben):
        await somebody.sees("Hello from Flask", "Hello from FastAPI")
        await expect(somebody.row("Hello from Flask").locator(".name")).to_have_text("Ben")
        await expect(somebody.row("Hello from FastAPI").locator(".name")).to_have_text("Ann")
        await expect(somebody.row("Hello from FastAPI").locator("time")).to_have_text(re.compile(r"^\d\d:\d\d$"))

    await ben.rooms(room).hover()
    await ben.page.get_by_role("button", name=f"Leave {room}").click()
    await expect(ann.members.locator("li .name")).to_have_text(["Ann"])


async def test_both_screens_show_messages_written_at_once_in_one_order(stack: Stack, invite: Invite) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    expected = {who.name: [f"{who.name} {number}" for number in range(15)] for who in (ann, ben)}
    async with asyncio.TaskGroup() as group:
        for somebody in (ann, ben):
            group.create_task(somebody.says_all(expected[somebody.name]))
    seen = await ann.hears_out(30)
    assert await ben.hears_out(30) == seen
    assert {name: of(name, seen) for name in expected} == expected


async def test_what_one_edits_reacts_to_and_answers_the_other_sees(stack: Stack, invite: Invite) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    await ann.say("See you at sevn")
    await ben.sees("See you at sevn")
    await expect(ben.row("See you at sevn").get_by_test_id("edit")).to_have_count(0)

    await ann.composer.fill("By the way")
    await ann.use("edit", "See you at sevn")
    await expect(ann.composer).to_have_value("See you at sevn")
    await ann.say("See you at seven")
    await ben.sees("See you at seven")
    await expect(ann.composer).to_have_value("By the way")
    await ann.use("edit", "See you at seven")
    await ann.composer.press("Escape")
    await expect(ann.composer).to_have_value("By the way")
    await expect(ben.row("See you at seven").locator(".aside")).to_have_text("edited")

    await ben.use("react-1", "See you at seven")
    reaction = ann.row("See you at seven").get_by_test_id("reaction")
    await expect(reaction).to_have_text("👍 1")
    await reaction.click()
    await expect(ben.row("See you at seven").get_by_test_id("reaction")).to_have_text("👍 2")
    await ben.row("See you at seven").get_by_test_id("reaction").click()
    await expect(reaction).to_have_text("👍 1")

    await ben.use("reply", "See you at seven")
    await ben.say("I shall be there")
    await ann.sees("See you at seven", "I shall be there")
    quote = ann.row("I shall be there").get_by_test_id("quote")
    await expect(quote).to_have_text(re.compile(r"Ann\s+See you at seven"))
    await quote.click()
    await expect(ann.row("See you at seven")).to_be_focused()


async def test_a_deleted_text_is_nowhere_on_either_page(stack: Stack, invite: Invite) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    await ann.say("Nothing of note")
    await ann.say("The key is under the mat")
    await ben.sees("Nothing of note", "The key is under the mat")
    await ben.use("reply", "The key is under the mat")
    await ben.say("Not so loud")
    await ann.sees("Nothing of note", "The key is under the mat", "Not so loud")
    await ben.use("reply", "The key is under the mat")

    await ann.use("delete", "The key is under the mat")
    await ann.page.get_by_role("button", name="Keep").click()
    await expect(ann.row("The key is under the mat")).to_be_visible()
    await ann.use("delete", "The key is under the mat")
    await ann.page.get_by_test_id("confirm-delete").click()
    for somebody in (ann, ben):
        await somebody.sees("Nothing of note", "Message deleted", "Not so loud")
        await expect(somebody.row("Not so loud").get_by_test_id("quote")).to_have_text(re.compile("deleted"))
        assert "under the mat" not in await somebody.page.content()
        await somebody.page.reload()
        await somebody.sees("Nothing of note", "Message deleted", "Not so loud")
        assert "under the mat" not in await somebody.page.content()


async def test_after_a_reload_all_is_there_once(stack: Stack, invite: Invite) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    for number in range(3):
        await ann.say(f"Ann {number}")
        await ben.say(f"Ben {number}")
    seen = await ann.hears_out(6)
    await ann.page.reload()
    await ann.sees(*seen)
    await expect(ann.rows.first.locator(".name")).to_be_visible()
    await ben.say("Welcome back")
    await ann.say("It was only a blink")
    for somebody in (ann, ben):
        assert set((await somebody.hears_out(8))[6:]) == {"Welcome back", "It was only a blink"}
        assert (await somebody.texts())[:6] == seen


async def test_history_that_is_longer_than_a_page_comes_as_one_scrolls_up(stack: Stack, invite: Invite) -> None:
    ben = await invite(stack, "sync", "Ben")
    said = [f"Ben {number}" for number in range(60)]
    await ben.says_all(said)
    await ben.hears_out(60)
    ann = await invite(stack, "async", "Ann")
    assert (await ann.hears_out(50))[0] == "Ben 10"
    await ann.row("Ben 10").scroll_into_view_if_needed()
    await ann.sees(*said)
    await expect(ann.page.get_by_test_id("new-messages")).to_be_visible()
    await ann.page.get_by_test_id("new-messages").click()
    await expect(ann.row("Ben 59")).to_be_in_viewport()


async def test_what_is_unread_in_another_room_is_counted_until_it_is_read(
    stack: Stack, invite: Invite, room: str
) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    await ann.page.get_by_test_id("room-input").fill(f"{room}-aside")
    await ann.page.get_by_test_id("room-input").press("Enter")
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"#{room}-aside")
    for number in range(3):
        await ben.say(f"Ben {number}")
    await expect(ann.rooms(room).first).to_have_attribute("data-unread", "3")
    await expect(ann.page).to_have_title(f"(3) #{room}-aside – Tandem")
    await ann.page.reload()
    await expect(ann.rooms(room).first).to_have_attribute("data-unread", "3")

    await ann.rooms(room).first.click()
    await ann.sees("Ben 0", "Ben 1", "Ben 2")
    await expect(ann.page.get_by_role("heading", name="New")).to_be_visible()
    await expect(ann.rooms(room).first).to_have_attribute("data-unread", "0")
    await expect(ann.page).to_have_title(f"#{room} – Tandem")
    await ann.page.reload()
    await ann.sees("Ben 0", "Ben 1", "Ben 2")
    await ann.rooms(f"{room}-aside").click()
    await expect(ann.rooms(room).first).to_have_attribute("data-unread", "0")
