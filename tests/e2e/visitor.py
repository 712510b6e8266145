"""One person with a browser of their own: what they do on the page, and what they see of it."""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from playwright.async_api import ConsoleMessage, Locator, Page, Request, WebSocket, expect

UNASKED = re.compile(r"Failed to load resource: the server responded with a status of 401")
"""What Chromium says of the first question whether there is a session; no page can keep it from that."""

AWAY = re.compile(r"net::ERR_(CONNECTION_|EMPTY_RESPONSE|SOCKET_|INCOMPLETE)|WebSocket connection to|status of 503")
"""What Chromium says of a server that is down or stops."""


class Watch:
    """What a page must not do: complain, or ask anybody but the backends."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", self._asked)
        page.on("websocket", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, request: Request | WebSocket) -> None:
        if host := urlsplit(request.url).netloc:
            self.hosts.add(host)

    def unexpected(self, *, outages: bool) -> list[str]:
        """Return the complaints that are none of what a browser cannot be kept from saying."""
        expected = [UNASKED, AWAY] if outages else [UNASKED]
        return [text for text in self.complaints if not any(pattern.search(text) for pattern in expected)]


class Visitor:
    """A page of the chat. ``texts`` and the like wait for nothing; what begins with ``sees`` does."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.composer = page.get_by_test_id("composer")
        self.rows = page.get_by_test_id("message")
        self.state = page.get_by_test_id("connection-state")
        self.members = page.get_by_test_id("members")
        self.typing = page.get_by_test_id("typing")

    # Doing

    async def enter(self, url: str, room: str) -> None:
        """Open the page at the room's address and give the name."""
        await self.page.goto(f"{url}/#{room}")
        await self.page.get_by_test_id("name-input").fill(self.name)
        await self.press(self.page.get_by_test_id("enter"))
        await self.sees_state("live")
        await expect(self.members.get_by_text(self.name, exact=True)).to_be_attached()

    async def say(self, text: str) -> None:
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def says_all(self, texts: Iterable[str]) -> None:
        for text in texts:
            await self.say(text)

    async def press(self, place: Locator) -> None:
        """Tap where the person has a finger, click where a pointer."""
        await (place.tap() if await self._by_finger() else place.click())

    async def use(self, tool: str, text: str) -> None:
        """Press the tool with this test id at the message with this text."""
        row = self.row(text).and_(self.page.locator("[data-offset]"))  # what is still under way has no tools
        await (row.tap() if await self._by_finger() else row.hover())
        await self.press(row.get_by_test_id(tool))

    async def _by_finger(self) -> bool:
        return bool(await self.page.evaluate("matchMedia('(hover: none)').matches"))

    # Seeing

    def row(self, text: str) -> Locator:
        """Return the row of the message whose text is exactly this."""
        return self.rows.filter(has=self.page.locator(".text").get_by_text(text, exact=True))

    def rooms(self, name: str) -> Locator:
        """Return the link to a room in the list of one's own."""
        return self.page.get_by_test_id("room-list").get_by_role("link", name=name)

    async def sees_state(self, state: str) -> None:
        await expect(self.state).to_have_attribute("data-state", state, timeout=15_000)

    async def sees(self, *texts: str, within: float = 10.0) -> None:
        """Wait until the rows' texts are exactly these, in this order, and all are sent."""
        await expect(self.rows.locator(".text")).to_have_text(list(texts), timeout=within * 1000)
        await expect(self.page.locator("[data-testid=message]:not([data-state=sent])")).to_have_count(0)
        await expect(self.page.locator("[data-progress]")).to_have_count(0)

    async def texts(self) -> list[str]:
        return await self.rows.locator(".text").all_inner_texts()

    async def states(self) -> list[str]:
        """Return what the rows say of themselves: sending, sent, unknown or failed."""
        return list(await self.rows.evaluate_all("rows => rows.map((row) => row.dataset.state)"))

    async def hears_out(self, count: int, within: float = 20.0) -> list[str]:
        """Wait until there are this many rows and all are in the log; return their texts."""
        await expect(self.rows).to_have_count(count, timeout=within * 1000)
        await expect(self.page.locator("[data-progress]")).to_have_count(0, timeout=within * 1000)
        return await self.texts()

    async def overflow(self) -> list[str]:
        """Return what reaches beyond the page's right edge, unless it is scrolled or clipped by something within."""
        return list(await self.page.evaluate(OVERFLOW))


OVERFLOW = """() => {
  const width = document.documentElement.clientWidth + 0.5;
  const clipped = (element) => {
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
      if (getComputedStyle(box).overflowX !== "visible" && box.getBoundingClientRect().right <= width) return true;
    }
    return false;
  };
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }))
    .filter((element) => element.getBoundingClientRect().right > width && !clipped(element))
    .map((element) => `<${element.tagName.toLowerCase()} class="${element.className}">`);
}"""


def of(name: str, texts: Sequence[str]) -> list[str]:
    """Return the texts that begin with this name, in their order."""
    return [text for text in texts if text.startswith(f"{name} ")]
