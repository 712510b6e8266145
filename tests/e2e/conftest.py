"""Real Chromium, real backends, real Redis: people in browsers of their own."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from stack.browser import find_browser
from stack.ports import free_port
from stack.up import Stack
from tests.e2e.visitor import Visitor, Watch
from tests.e2e.watching import Api, go, monitor_of
from tests.monitor.made_run import make_run
from tests.wire.people import fresh_room

ARGUMENTS = [
    "--no-sandbox",  # the pages are our own, and containers rarely let it have one
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
]

ORDINARY = {"locale": "en-GB", "viewport": {"width": 1200, "height": 800}}

PATIENCE_MS = 10_000
expect.set_options(timeout=PATIENCE_MS)

OpenPage = Callable[..., Awaitable[Page]]
Invite = Callable[..., Awaitable[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for all: a browser lives in the loop that started it."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Both backends as `make run` has them. Tests leave them as they found them."""
    with running(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
        no_tracebacks(stack)


@pytest.fixture(scope="module")
def fragile_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("fragile"), CHAT_DRAIN_SECONDS="2") as stack:
        yield stack
        no_tracebacks(stack)


@pytest.fixture
def fragile(fragile_stack: Stack) -> Iterator[Stack]:
    """Both backends, to be killed, stopped and frozen; whatever a test leaves down is up for the next."""
    yield fragile_stack
    for server in reversed(fragile_stack.servers):
        if not server.running:
            server.start()


def running(directory: Path, **settings: str) -> Stack:
    return Stack(["async", "sync"], data_dir=directory, settings=settings)


def no_tracebacks(stack: Stack) -> None:
    for server in stack.servers:
        assert "Traceback" not in server.log_path.read_text(), f"see {server.log_path}"


@pytest.fixture
def room() -> str:
    """The name of a room that nobody has seen yet."""
    return fresh_room()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def outages() -> bool:
    """Whether the test takes servers away, so that the browser may say so in its console."""
    return False


@pytest.fixture
def refusals() -> str:
    """What a test provokes and the browser may say, as a pattern."""
    return "(?!)"


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, outages: bool, refusals: str) -> AsyncIterator[OpenPage]:
    """Open a page in a browser of its own; at the end none may have complained or asked anybody but ours."""
    opened: list[tuple[BrowserContext, Watch, set[str]]] = []

    async def begin(stack: Stack, **options: Any) -> Page:
        context = await browser.new_context(**{**ORDINARY, **options})
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        urls = [backend.url for backend in stack.backends.values()]
        urls += [stack.monitor.url] if stack.monitor else []
        hosts = {urlsplit(url).netloc for url in urls}
        opened.append((context, Watch(page), hosts))
        return page

    yield begin
    for context, _, _ in opened:
        await context.close()
    for _, watch, hosts in opened:
        assert [one for one in watch.unexpected(outages=outages) if not re.search(refusals, one)] == []
        assert watch.hosts <= hosts


@pytest.fixture
def invite(open_page: OpenPage, room: str) -> Invite:
    """Let somebody enter the room at the backend run as ``profile``."""

    async def enter(stack: Stack, profile: str, name: str, **options: Any) -> Visitor:
        visitor = Visitor(await open_page(stack, **options), name)
        await visitor.enter(stack.backends[profile].url, room)
        return visitor

    return enter


# ---- the monitor --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What `make run` starts, with one stored run and a damaged one."""
    directory = tmp_path_factory.mktemp("watched")
    make_run(directory / "runs")
    damaged = make_run(directory / "runs", "20250101-000000-damaged-1")
    (damaged / "series.jsonl").write_text("{")
    settings = {"CHAT_DRAIN_SECONDS": "1"}
    with Stack(data_dir=directory, settings=settings, monitor_port=free_port()) as stack:
        yield stack
        no_tracebacks(stack)
        assert "Traceback" not in monitor_of(stack).log_path.read_text()


@pytest_asyncio.fixture(loop_scope="session")
async def page(watched: Stack, open_page: OpenPage) -> AsyncIterator[Page]:
    """The comparison; whatever load a test leaves running is ended."""
    page = await open_page(watched)
    await go(page, watched, "compare")
    yield page
    with Api(watched) as api:
        api.ask("DELETE", "load")
        api.ask("DELETE", "measurement")
