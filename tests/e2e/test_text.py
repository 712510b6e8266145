"""Whatever somebody writes is text, on every screen, and nobody loses what they wrote."""

import re

from playwright.async_api import expect

from stack.up import Stack
from tests.e2e.conftest import Invite, OpenPage

MARKUP = [
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    '"><svg/onload=alert(1)>',
    "javascript:alert(1)",
    "**bold** _em_ `code` [a](javascript:alert(1)) &lt;b&gt; &amp;",
]
FOREIGN = [
    "\u202egnp.exe\u202c and on",  # written backwards from here
    "مرحبا بالعالم – hello",
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽 \U0001d4b3 é",
    "one\n\n  two\tthree",
]


async def test_markup_is_shown_as_written(stack: Stack, invite: Invite, room: str) -> None:
    ann, ben = await invite(stack, "async", "<b>Ann</b>"), await invite(stack, "sync", "Ben")
    await ann.says_all(MARKUP)
    for somebody in (ann, ben):
        assert await somebody.hears_out(len(MARKUP)) == MARKUP
        await expect(somebody.rows.first.locator(".name")).to_have_text("<b>Ann</b>")
        await expect(somebody.rows.locator("img, script, a, b, strong, em, code, .text svg")).to_have_count(0)
    await expect(ben.page).to_have_title(f"#{room} – Tandem")


async def test_addresses_and_nothing_else_become_links(stack: Stack, invite: Invite) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    await ann.say("See https://example.org/a?b=<c>.")
    await ben.hears_out(1)
    link = ben.rows.get_by_role("link")
    await expect(link).to_have_text("https://example.org/a?b=")
    await expect(link).to_have_attribute("rel", re.compile("noopener"))


async def test_text_of_every_script_arrives_as_it_was_and_stays_in_its_row(stack: Stack, invite: Invite) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    await ann.says_all(FOREIGN)
    await ben.hears_out(len(FOREIGN))
    assert await ben.rows.locator(".text").all_text_contents() == FOREIGN
    for text in await ben.rows.locator(".text").all():
        await expect(text).to_have_css("unicode-bidi", "isolate")
        await expect(text).to_have_css("white-space", "pre-wrap")


async def test_4000_characters_are_sent_and_one_more_is_told_of_and_kept(stack: Stack, invite: Invite) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    longest = "🦜" * 4000
    await ann.composer.fill(longest + "!")
    await expect(ann.page.get_by_test_id("length")).to_have_text("4001 of 4000 characters: too long to be sent")
    await expect(ann.page.get_by_test_id("send")).to_be_disabled()
    await ann.composer.press("Enter")
    await expect(ann.composer).to_have_value(longest + "!")
    await expect(ann.rows).to_have_count(0)
    await ann.composer.press("Backspace")
    await expect(ann.page.get_by_test_id("length")).to_have_text("4000 of 4000 characters")
    await ann.composer.press("Enter")
    assert await ben.hears_out(1) == [longest]
    await expect(ann.composer).to_have_value("")


async def test_what_a_server_refuses_can_be_rewritten(stack: Stack, invite: Invite) -> None:
    ann = await invite(stack, "async", "Ann")
    await ann.say("A bell: \a")
    await expect(ann.rows).to_have_attribute("data-state", "failed")
    await expect(ann.rows).to_contain_text("Not sent")
    await ann.page.get_by_role("button", name="Rewrite").click()
    await expect(ann.rows).to_have_count(0)
    await expect(ann.composer).to_have_value("A bell: \a")
    await ann.say("A bell: ding")
    await ann.sees("A bell: ding")


async def test_a_room_outside_the_rules_is_explained_and_not_entered(stack: Stack, invite: Invite, room: str) -> None:
    ann = await invite(stack, "async", "Ann")
    field = ann.page.get_by_test_id("room-input")
    for name in ("No spaces", "-dash", "ümlaut", "x" * 65):
        await field.fill(name)
        await field.press("Enter")
        await expect(ann.page.get_by_role("alert")).to_contain_text("1 to 64 of the characters a–z, 0–9, _ and -")
        await expect(field).to_have_value(name)
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"#{room}")
    await field.fill(f" #{room.upper()}-2 ")
    await field.press("Enter")
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"#{room}-2")


async def test_an_address_that_names_no_room_leads_to_the_lobby(stack: Stack, invite: Invite) -> None:
    ann = await invite(stack, "async", "Ann")
    for address in ("No%20spaces", "%E0%A4%A", "../../etc"):
        await ann.page.goto("about:blank")
        await ann.page.goto(f"{stack.backends['async'].url}/#{address}")
        await expect(ann.page.get_by_role("heading", level=1)).to_have_text("#lobby")


async def test_a_name_outside_the_rules_is_explained(stack: Stack, open_page: OpenPage) -> None:
    page = await open_page(stack)
    await page.goto(stack.backends["sync"].url)
    for name in ("", "   ", "x" * 33):
        await page.get_by_test_id("name-input").fill(name)
        await page.get_by_test_id("enter").click()
        await expect(page.get_by_role("alert")).to_have_text("A name has 1 to 32 characters.")
