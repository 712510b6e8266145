"""The comparison with a whole hour in it: no task of the page takes long, and its memory is level.

pytest tests/e2e/test_monitor_hour.py -rP    tells the figures
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, CDPSession, Locator, Page, expect

from loadtest.monitor.watch import KEPT
from tests.e2e.hour import LABELS, FullMonitor

LONG_MS = 100.0
"""Of CPU: on a machine with other work, a task that waits for its turn is not the page's doing."""
GROWN_MB = 1.0
TASK = "ThreadControllerImpl::RunTask"
MAIN = "CrRendererMain"

Act = Callable[[], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def monitor(tmp_path: Path) -> AsyncIterator[FullMonitor]:
    async with FullMonitor(tmp_path).serving() as monitor:
        yield monitor


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, monitor: FullMonitor) -> AsyncIterator[Page]:
    """The comparison, with the whole hour drawn."""
    context = await browser.new_context(locale="en-GB", viewport={"width": 1400, "height": 900})
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{monitor.url}/#/compare")
    await button(page, "1 hour").click()
    for label in LABELS:
        for panel in ("connections", "messages", "deliveries", "latency", "ledger", "cpu", "outbox"):
            await expect(page.get_by_test_id(f"{panel}-{label}").locator("b")).not_to_have_text("–")
        await expect(page.get_by_test_id(f"heatmap-{label}")).to_be_visible()
    await asyncio.sleep(1)
    yield page
    await context.close()
    assert errors == []


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def plot(page: Page, panel: str) -> Locator:
    return page.get_by_test_id(f"panel-{panel}").locator(".plot")


async def test_no_task_takes_long(browser: Browser, page: Page) -> None:
    async def move() -> None:
        box = await plot(page, "connections").bounding_box()
        assert box is not None
        for step in range(60):
            await page.mouse.move(box["x"] + 80 + step * 4, box["y"] + 30 + step)

    async def zoom() -> None:
        await plot(page, "connections").focus()
        for key in ("+", "+", "ArrowLeft", "ArrowLeft", "-", "Escape"):
            await page.keyboard.press(key)

    async def scroll() -> None:
        for _ in range(4):
            await page.mouse.wheel(0, 500)
            await asyncio.sleep(0.2)
        await page.mouse.wheel(0, -3000)

    async def turn() -> None:
        for name in ("Runs", "Compare"):
            await page.get_by_role("link", name=name, exact=True).click()
            await asyncio.sleep(0.6)

    async def choose() -> None:
        for name in ("p50", "1 min", "1 hour"):
            await button(page, name).click()
            await asyncio.sleep(0.3)

    async def darken() -> None:
        await page.emulate_media(color_scheme="dark")

    acts: dict[str, Act] = {
        "only ticks": lambda: asyncio.sleep(2),
        "the pointer over the charts": move,
        "zoom and steps by the keys": zoom,
        "scrolling": scroll,
        "other pages": turn,
        "percentile and window": choose,
        "dark": darken,
    }
    found = {name: await longest(browser, page, act) for name, act in acts.items()}
    for name, (cpu, wall) in found.items():
        print(f"{name}: {cpu:.0f} ms of CPU in the longest task, {wall:.0f} ms from begin to end of the slowest")
    assert {name: cpu for name, (cpu, _) in found.items() if cpu > LONG_MS} == {}


async def longest(browser: Browser, page: Page, act: Act) -> tuple[float, float]:
    """Return the milliseconds of the page's longest task while ``act`` was done: of CPU, and on the clock."""
    await browser.start_tracing(page=page, categories=["toplevel"])
    await act()
    await asyncio.sleep(0.5)
    events = json.loads(await browser.stop_tracing())["traceEvents"]
    main = {(one["pid"], one["tid"]) for one in events if one["name"] == "thread_name" and one["args"]["name"] == MAIN}
    tasks = [one for one in events if one["name"] == TASK and (one["pid"], one["tid"]) in main and "tdur" in one]
    assert len(tasks) > 10, "the browser does not tell what it did"
    return max(one["tdur"] for one in tasks) / 1000, max(one["dur"] for one in tasks) / 1000


async def test_memory_is_level(page: Page, monitor: FullMonitor) -> None:
    session = await page.context.new_cdp_session(page)
    await monitor.hurry(100)
    before = await heap(session)
    await monitor.hurry(KEPT // 2)
    after = await heap(session)
    print(f"{before:.1f} MB of heap, and {after:.1f} MB half an hour later")
    assert after - before < GROWN_MB


async def heap(session: CDPSession) -> float:
    """Return what is in use when all is collected that can be, in MB."""
    await asyncio.sleep(1)
    for _ in range(2):
        await session.send("HeapProfiler.collectGarbage")
    return float((await session.send("Runtime.getHeapUsage"))["usedSize"]) / 1e6
