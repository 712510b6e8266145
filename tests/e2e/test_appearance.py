"""Wide and narrow, light and dark, with a pointer, a finger or the keys alone: the page can be used."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from stack.up import Stack
from tests.e2e.conftest import Invite, OpenPage
from tests.e2e.visitor import Visitor

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
SERIOUS = ("serious", "critical")
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1200, "height": 800}}
WIDEST = "W" * 32
UNBROKEN = "https://example.org/" + "a" * 300


async def violations(page: Page) -> list[str]:
    """Return what axe finds seriously wrong with the page, and where."""
    await page.evaluate(AXE.read_text())  # a script element would be refused by the page's own policy
    found = await page.evaluate("axe.run({ iframes: false })")
    assert len(found["passes"]) > 10
    return [
        f"{violation['id']}: {node['html']} {node['any'] and node['any'][0]['message']}"
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


async def converse(ann: Visitor, ben: Visitor) -> None:
    """Fill the screen with some of all that it can show."""
    await ann.say("A first message")
    await ann.say(UNBROKEN)
    await ben.say("Short")
    await ben.hears_out(3)
    await ben.use("react-1", "A first message")
    await ben.use("reply", UNBROKEN)
    await ben.say("What a long one")
    await ann.hears_out(4)
    await ann.use("edit", "A first message")
    await expect(ann.composer).to_have_value("A first message")
    await ann.say("A first message, edited")
    await expect(ann.rows.first.locator(".aside")).to_have_text("edited")
    await ann.say("Gone soon")
    await ann.use("delete", "Gone soon")
    await ann.page.get_by_test_id("confirm-delete").click()
    await expect(ann.rows.locator(".gone")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_wide_page_is_accessible_and_fits(stack: Stack, invite: Invite, scheme: str) -> None:
    ann = await invite(stack, "async", "Ann", color_scheme=scheme)
    ben = await invite(stack, "sync", WIDEST, color_scheme=scheme)
    await converse(ann, ben)
    await ben.page.get_by_test_id("room-input").fill("Not a room")
    await ben.page.get_by_test_id("room-input").press("Enter")
    await ben.rows.first.hover()
    for somebody in (ann, ben):
        assert await violations(somebody.page) == []
        assert await somebody.overflow() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_shows_all_within_its_width(stack: Stack, invite: Invite, room: str, scheme: str) -> None:
    ann = await invite(stack, "async", "Ann", color_scheme=scheme, **PHONE)
    ben = await invite(stack, "sync", WIDEST, **DESKTOP)
    await ann.page.evaluate("room => { location.hash = room }", longest := (room * 5)[:64])
    await ben.page.evaluate("room => { location.hash = room }", longest)
    await expect(ann.members).to_have_attribute("data-count", "2")
    await ann.composer.tap()
    await converse(ann, ben)
    await expect(ann.composer).to_be_in_viewport(ratio=1)
    await expect(ann.page.get_by_test_id("send")).to_be_in_viewport(ratio=1)
    assert await ann.overflow() == []
    assert await violations(ann.page) == []
    light = await ann.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (light == "rgb(15, 18, 22)") is (scheme == "dark")

    for panel in ("Rooms", "Who is here"):
        await ann.page.get_by_role("button", name=panel).tap()
        await expect(ann.page.get_by_role("button", name="Close", exact=True)).to_be_visible()
        assert await ann.overflow() == []
        assert await violations(ann.page) == []
        await ann.page.keyboard.press("Escape")
        await expect(ann.page.get_by_role("button", name="Close", exact=True)).to_have_count(0)


async def test_a_finger_reaches_the_tools_of_a_message(stack: Stack, invite: Invite) -> None:
    ann = await invite(stack, "async", "Ann", **PHONE)
    ben = await invite(stack, "sync", "Ben")
    await ben.say("Lunch?")
    await ann.row("Lunch?").tap()
    await ann.row("Lunch?").get_by_test_id("react-1").tap()
    await expect(ben.row("Lunch?").get_by_test_id("reaction")).to_have_text("👍 1")
    await ann.row("Lunch?").get_by_test_id("reply").tap()
    await ann.composer.fill("Gladly")
    await ann.page.get_by_test_id("send").tap()
    await ben.sees("Lunch?", "Gladly")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_door_is_accessible(stack: Stack, open_page: OpenPage, scheme: str) -> None:
    page = await open_page(stack, color_scheme=scheme, **PHONE)
    await page.goto(stack.backends["sync"].url)
    await page.get_by_test_id("enter").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await violations(page) == []
    assert await Visitor(page, "Nobody").overflow() == []


async def test_the_keys_alone_are_enough(stack: Stack, open_page: OpenPage, invite: Invite, room: str) -> None:
    ben = await invite(stack, "sync", "Ben")
    ann = Visitor(await open_page(stack), "Ann")
    await ann.page.goto(f"{stack.backends['async'].url}/#{room}")
    await expect(ann.page.get_by_test_id("name-input")).to_be_focused()
    press, write = ann.page.keyboard.press, ann.page.keyboard.type
    await write("Ann")
    await press("Enter")
    await expect(ann.composer).to_be_focused()
    await write("Two")
    await press("Shift+Enter")
    await write("lines")
    await press("Enter")
    for somebody in (ann, ben):
        await somebody.sees("Two\nlines")

    await press("ArrowUp")
    await expect(ann.composer).to_have_value("Two\nlines")
    await press("Escape")
    await expect(ann.composer).to_have_value("")
    await press("ArrowUp")
    await expect(ann.composer).to_have_value("Two\nlines")
    await press("Control+A")
    await write("One line")
    await press("Enter")
    await ben.sees("One line")

    await press("Shift+Tab")
    await expect(ann.row("One line")).to_be_focused()
    for _ in range(9):  # past the reactions, reply and edit
        await press("Tab")
    await expect(ann.row("One line").get_by_test_id("delete")).to_be_focused()
    await press("Enter")
    await expect(ann.page.get_by_role("button", name="Keep")).to_be_focused()
    await press("Shift+Tab")
    await press("Enter")
    await ben.sees("Message deleted")
    await expect(ann.rows).to_be_focused()
    await press("ArrowDown")
    await expect(ann.composer).to_be_focused()
