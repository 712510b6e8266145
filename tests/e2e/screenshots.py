"""The picture in the README, taken of the real thing.

python -m tests.e2e.screenshots              docs/images/duet.png: two people, one on each backend
python -m tests.e2e.screenshots DIRECTORY    the same, and pages on a phone and in the dark, to look at
"""

import asyncio
import re
import sys
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, ViewportSize, async_playwright, expect

from stack.browser import find_browser
from stack.up import Stack
from tests.e2e.visitor import Visitor

DUET = Path(__file__).parents[2] / "docs/images/duet.png"
ROOM = "garden"
HALF: ViewportSize = {"width": 800, "height": 560}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}

FRAME = """
<style>
  body { display: flex; gap: 16px; margin: 0; padding: 16px; background: #dfe3e8; }
  img { width: 800px; border-radius: 12px; box-shadow: 0 1px 3px rgb(0 0 0 / 20%), 0 8px 24px rgb(0 0 0 / 14%); }
</style>
<img src="data:image/png;base64,{left}"><img src="data:image/png;base64,{right}">
"""


async def open_page(browser: Browser, stack: Stack, profile: str, name: str, **options: Any) -> Visitor:
    context = await browser.new_context(locale="en-GB", device_scale_factor=1, **options)
    visitor = Visitor(await context.new_page(), name)
    await visitor.enter(stack.backends[profile].url, ROOM)
    return visitor


async def look_around(visitor: Visitor, *rooms: str) -> None:
    """Enter these rooms, and stay in the last."""
    for room in rooms:
        await visitor.page.evaluate("room => { location.hash = room }", room)
        await expect(visitor.members).to_have_attribute("data-count", re.compile("[12]"))


async def converse(ada: Visitor, grace: Visitor) -> None:
    """Say what can be seen in the picture."""
    await look_around(ada, "harvest", "lobby", ROOM)
    await look_around(grace, "harvest")
    await grace.say("The first tomatoes are ripe")
    await grace.hears_out(1)
    await expect(ada.rooms("harvest")).to_have_attribute("data-unread", "1")
    await look_around(grace, "lobby", ROOM)
    await grace.say("Morning! I am on the Flask side today. Does this reach you?")
    await ada.hears_out(1)
    await ada.say("It does, over FastAPI. Same room, same order, same everything.")
    await ada.say("I could not tell the two apart if they had no colours 🙂")
    await grace.hears_out(3)
    await grace.use("reply", "I could not tell the two apart if they had no colours 🙂")
    await grace.say("That is the idea. Pull my plug and see what happens: nothing gets lost.")
    await ada.hears_out(4)
    await ada.use("react-4", "That is the idea. Pull my plug and see what happens: nothing gets lost.")
    await grace.use("react-1", "It does, over FastAPI. Same room, same order, same everything.")
    await ada.say("Pulled, and back. I did not miss a word.")
    await grace.hears_out(5)
    await grace.use("react-2", "Pulled, and back. I did not miss a word.")
    await expect(ada.page.get_by_test_id("reaction")).to_have_count(3)
    await expect(grace.page.get_by_test_id("reaction")).to_have_count(3)


async def take(browser: Browser, stack: Stack, looks: Path | None) -> None:
    ada = await open_page(browser, stack, "async", "Ada", viewport=HALF)
    grace = await open_page(browser, stack, "sync", "Grace", viewport=HALF)
    await converse(ada, grace)
    for visitor in (ada, grace):
        await visitor.page.mouse.move(400, 20)
        await expect(visitor.members).to_have_attribute("data-count", "2")
    await grace.composer.press_sequentially("Told you!")
    await expect(ada.typing).to_have_text("Grace is typing…")
    left, right = [b64encode(await visitor.page.screenshot()).decode() for visitor in (ada, grace)]
    frame = await browser.new_page(viewport={"width": 1648, "height": 592}, device_scale_factor=1)
    await frame.set_content(FRAME.replace("{left}", left).replace("{right}", right))
    await frame.screenshot(path=DUET)
    if looks is None:
        return
    for scheme in ("light", "dark"):
        phone = await open_page(browser, stack, "async", f"Phone, {scheme}", color_scheme=scheme, **PHONE)
        await phone.hears_out(5)
        await phone.page.screenshot(path=looks / f"phone-{scheme}.png")
        for panel in ("Rooms", "Who is here"):
            await phone.page.get_by_role("button", name=panel).tap()
            await phone.page.screenshot(path=looks / f"phone-{scheme}-{panel.split()[0].lower()}.png")
            await phone.page.keyboard.press("Escape")
        await phone.page.get_by_text("Pulled, and back").tap()
        await phone.page.screenshot(path=looks / f"phone-{scheme}-tools.png")
        wide: ViewportSize = {"width": 1280, "height": 720}
        desk = await open_page(browser, stack, "sync", f"Desk, {scheme}", color_scheme=scheme, viewport=wide)
        await desk.hears_out(5)
        await desk.row("Pulled, and back. I did not miss a word.").hover()
        await desk.page.screenshot(path=looks / f"desk-{scheme}.png")
        door = await browser.new_page(color_scheme=scheme, viewport=wide)
        await door.goto(stack.backends["sync"].url)
        await expect(door.get_by_test_id("enter")).to_be_visible()
        await door.screenshot(path=looks / f"door-{scheme}.png")


async def main(looks: Path | None) -> None:
    with tempfile.TemporaryDirectory() as directory, Stack(["async", "sync"], data_dir=Path(directory)) as stack:
        async with async_playwright() as playwright:
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
            browser = await playwright.chromium.launch(executable_path=find_browser(), args=arguments)
            await take(browser, stack, looks)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
