"""``python -m tests.deploy.browsers URL``: two people with real browsers chat through a gateway, one at each backend.

They talk, and one changes over to the other backend in the middle of the conversation; a third sits at ``/``, for which
the gateway chooses. The pages that describe the REST interface are opened as well. No page may complain, or ask anybody
but the gateway.
"""

import argparse
import asyncio
import sys
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright, expect

from stack.browser import find_browser
from tests.e2e.conftest import ARGUMENTS, PATIENCE_MS
from tests.e2e.visitor import Visitor, Watch
from tests.wire.people import fresh_room


async def opened(browser: Browser, watches: list[Watch]) -> Page:
    """Return a page in a browser of its own, watched."""
    context = await browser.new_context(locale="en-GB", viewport={"width": 1200, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    watches.append(Watch(page))
    return page


async def chat(url: str, ann: Visitor, ben: Visitor, eve: Visitor) -> None:
    """Talk across the backends; raise AssertionError where something is not as it should be."""
    room = fresh_room()
    await ann.enter(f"{url}/async", room)
    await ben.enter(f"{url}/sync", room)
    await eve.enter(url, room)
    for somebody, badge in ((ann, "FastAPI"), (ben, "Flask")):
        await expect(somebody.page.get_by_test_id("backend-badge")).to_have_text(badge)
    said = ["Over FastAPI", "Over Flask", "Over either"]
    for somebody, text in zip((ann, ben, eve), said, strict=True):
        await somebody.say(text)
        await ann.page.wait_for_timeout(300)
    for somebody in (ann, ben, eve):
        await somebody.sees(*said)
    await ann.page.get_by_test_id("switch-backend").click()
    await expect(ann.page.get_by_test_id("backend-badge")).to_have_text("Flask")
    await ann.sees_state("live")
    await ann.say("Now over Flask")
    for somebody in (ann, ben, eve):
        await somebody.sees(*said, "Now over Flask")


async def read(url: str, page: Page) -> None:
    """See that both backends describe their REST interface, by Swagger UI and by Redoc."""
    for place in ("/async/docs", "/sync/docs", "/async/redoc", "/sync/redoc"):
        await page.goto(url + place)
        await expect(page.get_by_role("heading", name="Tandem").first).to_be_visible()
        await expect(page.get_by_text("/api/rooms/{room}/messages").first).to_be_attached()


async def run(url: str) -> int:
    """Do all of it, say what was found, and return the exit code."""
    watches: list[Watch] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        people = [Visitor(await opened(browser, watches), name) for name in ("Ann", "Ben", "Eve")]
        await chat(url, *people)
        await read(url, await opened(browser, watches))
        await browser.close()
    complaints = [text for watch in watches for text in watch.unexpected(outages=False)]
    strangers = {host for watch in watches for host in watch.hosts} - {urlsplit(url).netloc}
    print(f"three people over both backends, one of whom changed over: {len(watches)} pages")
    print(f"complaints {complaints}, asked besides the gateway {sorted(strangers)}")
    return int(bool(complaints or strangers))


def main() -> int:
    """Read the command line and run."""
    arguments = argparse.ArgumentParser(
        prog="python -m tests.deploy.browsers", description=(__doc__ or "").split("\n\n")[1]
    )
    arguments.add_argument("url", help="of the gateway, such as http://127.0.0.1:8080")
    return asyncio.run(run(arguments.parse_args().url.rstrip("/")))


if __name__ == "__main__":
    sys.exit(main())
