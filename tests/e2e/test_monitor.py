"""The dashboards in a real browser: both backends live, hurt by every button, judged; stored runs, and no mouse."""

import asyncio
import os
import re
import shutil
import signal
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.async_api import Locator, Page, expect

from loadtest.record.directory import StoredRun
from loadtest.record.page import write_report
from stack.up import Stack
from tests.e2e.conftest import OpenPage
from tests.e2e.test_appearance import PHONE, violations
from tests.e2e.visitor import Visitor
from tests.e2e.watching import HARMLESS, Api, go, monitor_of, state
from tests.monitor.made_run import DELIVERED, PER_SECOND, make_run

AT_ONCE = 3_000
"""Milliseconds in which a page knows what has become of a backend."""
SLOW = 20_000


@pytest.fixture
def outages() -> bool:
    """Servers are away here, and the browser may say so."""
    return True


@pytest.fixture
def refusals() -> str:
    """What the monitor refuses, Chromium says as well."""
    return r"status of (404|409|422)"


async def figure(page: Page, panel: str, label: str) -> float:
    """Return the number that a panel shows for a side; 0 where it shows none."""
    text = await page.get_by_test_id(f"{panel}-{label}").locator("b").inner_text()
    found = re.match(r"[\d,.]+", text)
    return float(found[0].replace(",", "")) if found else 0.0


# ---- live ---------------------------------------------------------------------------------------


async def test_the_duet_is_one_person_at_both_backends(watched: Stack, open_page: OpenPage) -> None:
    page = await open_page(watched, viewport={"width": 1400, "height": 900})
    await go(page, watched)
    left, right = (page.frame_locator(f"[data-testid=client-{label}]") for label in ("async", "sync"))
    await left.get_by_test_id("name-input").fill("Ada")
    await left.get_by_test_id("enter").click()
    await left.get_by_test_id("composer").fill("Is it the same room?")
    await left.get_by_test_id("composer").press("Enter")
    await right.get_by_role("heading", name="Tandem").click()  # there, too, one is let in: it is the same session
    await expect(right.get_by_test_id("message").filter(has_text="Is it the same room?")).to_be_visible()
    await expect(page.get_by_test_id("strip-open-sync")).to_have_text("1")
    assert await violations(page) == []


async def test_both_are_live_at_once_and_one_click_starts_a_load(page: Page) -> None:
    for kind in ("async", "sync", "redis"):
        await expect(state(page, kind)).to_have_attribute("data-state", "live", timeout=AT_ONCE)
    await page.get_by_test_id("load-start").click()
    await expect(page.get_by_test_id("load-running")).to_contain_text("40 members in 4 rooms", timeout=SLOW)
    for label in ("async", "sync"):
        await expect(page.get_by_test_id(f"connections-{label}").locator("b")).to_have_text("40")
    moving = {
        *[(panel, label) for panel in ("deliveries", "messages", "latency") for label in ("async", "sync")],
    }
    for _ in range(50):
        moving -= {place for place in moving if await figure(page, *place) > 0}
        if not moving:
            break
        await asyncio.sleep(0.2)
    assert not moving, "these stand still under load"
    await expect(page.get_by_test_id("heatmap-sync")).to_be_visible()
    await page.get_by_test_id("load-stop").click()
    await expect(page.get_by_test_id("load-start")).to_be_visible()


async def test_what_is_shown_is_what_was_counted(watched: Stack, page: Page) -> None:
    def counted() -> dict[str, float]:
        texts = {label: httpx.get(f"{backend.url}/metrics").text for label, backend in watched.backends.items()}
        found = {label: re.search(r"^chat_deliveries_total (\S+)", text, re.M) for label, text in texts.items()}
        return {label: float(match[1]) for label, match in found.items() if match}

    before = counted()
    with Api(watched) as api:
        earlier = len(api.ticks())  # of a load before this one
        assert (await asyncio.to_thread(api.ask, "POST", "load", HARMLESS | {"seconds": 5})).status_code == 201
        deadline = time.monotonic() + 20
        while api.state()["load"] is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
        await asyncio.sleep(2.2)  # a report of every worker, and a tick
        after, ticks = counted(), api.ticks()[earlier:]
    for label, grown in ((label, after[label] - before[label]) for label in after):
        seen = max(tick["sides"][label]["m"].get("seenTotal", 0) for tick in ticks)
        assert grown == seen > 0, "the servers' count and the members' own"
        assert ticks[-1]["sides"][label]["m"]["dlvTotal"] == after[label]


@pytest.mark.parametrize("label", ["async", "sync"])
async def test_a_killed_backend_is_dead_at_once_and_a_frozen_one_frozen(watched: Stack, page: Page, label: str) -> None:
    backend = watched.backends[label]
    await expect(state(page, label)).to_have_attribute("data-state", "live")
    backend.freeze()
    try:
        await expect(state(page, label)).to_have_attribute("data-state", "frozen", timeout=AT_ONCE)
    finally:
        backend.thaw()
    await expect(state(page, label)).to_have_attribute("data-state", "live")
    backend.kill()
    await expect(state(page, label)).to_have_attribute("data-state", "dead", timeout=AT_ONCE)
    await asyncio.to_thread(backend.start)
    await expect(state(page, label)).to_have_attribute("data-state", "live")


async def test_a_frozen_monitor_changes_nothing_for_the_chat(watched: Stack, page: Page, open_page: OpenPage) -> None:
    await expect(state(page, "async")).to_have_attribute("data-state", "live")
    monitor_of(watched).freeze()
    try:
        await expect(page.get_by_test_id("disconnected")).to_contain_text("The monitor is silent")
        ann = Visitor(await open_page(watched), "Ann")
        await ann.enter(watched.backends["sync"].url, "quiet")
        await ann.says_all(["one", "two"])
        await ann.sees("one", "two")
    finally:
        monitor_of(watched).thaw()
    await expect(state(page, "async")).to_have_attribute("data-state", "live")


# ---- refusals ----------------------------------------------------------------------------------


async def test_only_the_page_of_this_run_may_hurt(watched: Stack) -> None:
    await asyncio.to_thread(refused_elsewhere, watched)


def refused_elsewhere(watched: Stack) -> None:
    with Api(watched) as api:
        own = monitor_of(watched).url
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": watched.backends["async"].url},
            {"X-Tandem-Token": "of another run"},
            {"X-Tandem-Token": ""},
            {"Host": f"evil.example:{monitor_of(watched).port}"},
        ):
            assert api.ask("POST", "acts/kill_redis", **headers).status_code == 403, headers
            assert api.ask("POST", "load", {}, **headers).status_code == 403, headers
        assert api.ask("POST", "acts/explode", Origin=own).status_code == 409
        assert httpx.get(f"{own}/api/monitor", headers={"Host": "evil.example"}).status_code == 403
        assert api.state()["underWay"] is None
        assert api.state()["load"] is None


async def test_what_makes_no_sense_is_said_on_the_page(page: Page, watched: Stack) -> None:
    await page.get_by_test_id("load-members").fill("90000")
    await page.get_by_test_id("load-start").click()
    await expect(page.get_by_test_id("load-error")).to_have_text("members: Input should be less than or equal to 500")
    await page.get_by_test_id("load-members").fill("many")
    await page.get_by_test_id("load-start").click()
    await expect(page.get_by_test_id("load-error")).to_contain_text("members")
    with Api(watched) as api:
        assert (await asyncio.to_thread(api.ask, "POST", "load", HARMLESS)).status_code == 201
        second = api.ask("POST", "load", HARMLESS)
        assert (second.status_code, second.json()["detail"]) == (409, "a load is running already: stop it first")


async def test_that_no_backend_is_up_is_said_on_the_page(watched: Stack, page: Page) -> None:
    for backend in watched.backends.values():
        backend.kill()
    for label in watched.backends:
        await expect(state(page, label)).to_have_attribute("data-state", "dead")
    await page.get_by_test_id("load-start").click()
    await expect(page.get_by_test_id("load-error")).to_have_text("no backend is up")
    await page.get_by_test_id("act-cut").click()
    await expect(page.get_by_test_id("card-cut").first).to_contain_text("no backend is up")
    for backend in watched.backends.values():
        await asyncio.to_thread(backend.start)
    for label in watched.backends:
        await expect(state(page, label)).to_have_attribute("data-state", "live")


TURNED_EARLY = """
const listen = window.addEventListener;
window.addEventListener = function (kind, ...rest) {
  if (kind === "hashchange" && location.hash !== "#/runs") history.replaceState(null, "", "#/runs");
  return listen.call(this, kind, ...rest);
};
"""


async def test_a_page_that_is_turned_while_it_is_drawn_is_the_one_it_was_turned_to(
    watched: Stack, open_page: OpenPage
) -> None:
    page = await open_page(watched)
    await page.add_init_script(TURNED_EARLY)
    await go(page, watched, "compare")
    await expect(page.get_by_test_id("measure-start")).to_be_visible()


async def test_a_scenario_is_measured_from_the_page_and_stopped(watched: Stack, page: Page) -> None:
    await go(page, watched, "runs")
    await page.get_by_test_id("measure-rate").fill("1e9")
    await page.get_by_test_id("measure-start").click()
    await expect(page.get_by_test_id("measure-error")).to_contain_text(
        "rate: Input should be less than or equal to 5000"
    )
    await page.get_by_test_id("measure-rate").fill("")
    await page.get_by_test_id("measure-duration").fill("30")
    await page.get_by_test_id("measure-start").click()
    await expect(page.get_by_test_id("measuring")).to_contain_text("Measuring small")
    with Api(watched) as api:
        assert api.ask("POST", "load", HARMLESS).status_code == 409
        assert api.ask("POST", "measurement", {"scenario": "small"}).status_code == 409
    await expect(page.get_by_test_id("run")).to_have_count(3, timeout=SLOW)
    await page.get_by_test_id("measure-stop").click()
    await expect(page.get_by_test_id("measured")).to_contain_text("interrupted", timeout=SLOW)
    await expect(page.get_by_test_id("run").first).to_contain_text("interrupted", timeout=SLOW)


# ---- stored runs --------------------------------------------------------------------------------


async def test_a_stored_run_is_opened_and_replayed(watched: Stack, page: Page) -> None:
    await go(page, watched, "runs")
    await page.locator("a[href*=made-1]").click()
    await judged(page)
    await replayed(page)
    await go(page, watched, "runs/20250101-000000-damaged-1")
    await expect(page.get_by_test_id("run-error")).to_contain_text("series.jsonl, line 1")


async def judged(page: Page) -> None:
    """The verdict, what was expected and whether it came so, how far each went, and what stopped it."""
    verdict = page.get_by_test_id("run-verdict")
    await expect(verdict).to_contain_text("made up, and passed")
    await expect(verdict).to_contain_text("Hypothesis it does.")
    await expect(page.get_by_test_id("run-hypothesis").locator("li")).to_have_text([
        "✓ sync is slower (expected 1 × to 3 ×, found 2 ×)",
        "✕ nobody notices (expected at most 10 ms, found 20 ms)",
        "? nothing is refused (expected 0, found –)",
    ])  # fmt: skip
    await expect(verdict).to_contain_text("sync: holds talk, 20 k/s delivered (beyond: shout: late)")
    await expect(verdict).to_contain_text("What stopped async: nothing: no limit was reached")


async def replayed(page: Page) -> None:
    """What is drawn are the files' figures, and the slider shows those of its moment."""
    await page.get_by_text("Ledger", exact=True).first.click()
    for label in ("async", "sync"):
        await expect(page.get_by_test_id(f"delivered-{label}-0")).to_have_text(f"{DELIVERED[label]:,}")
        assert await figure(page, "deliveries", label) == PER_SECOND[label]
    slider = page.get_by_test_id("replay-slider")
    await slider.fill("0")
    assert await figure(page, "cpu", "async") == 25
    await page.get_by_test_id("replay-16").click()
    await expect(slider).to_have_value("9")


DROPPED = """
text => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], "run.zip"));
  return dropped;
}
"""


async def test_a_zip_of_a_run_is_opened_where_it_is_dropped(page: Page, watched: Stack, tmp_path: Path) -> None:
    archive, damaged = archives(tmp_path)
    await go(page, watched, "runs")
    await page.get_by_test_id("open-zip").set_input_files(archive)
    await replayed(page)
    await page.reload()
    await expect(page.get_by_test_id("open-zip")).to_be_visible()
    dropped = await page.evaluate_handle(DROPPED, b64encode(archive.read_bytes()).decode())
    await page.dispatch_event("main", "drop", {"dataTransfer": dropped})
    await replayed(page)
    await page.reload()
    for path, said in damaged.items():
        await page.get_by_test_id("open-zip").set_input_files(path)
        await expect(page.get_by_test_id("run-error")).to_contain_text(said)


def archives(directory: Path) -> tuple[Path, dict[Path, str]]:
    """Return a zip of a run, and zips that are none or damaged with what is to be said of them."""
    make_run(directory / "here")
    archive = Path(shutil.make_archive(str(directory / "run"), "zip", directory / "here"))
    whole = archive.read_bytes()
    bad = {
        "none.zip": (b"no zip at all", "none.zip is no zip file, or a damaged one"),
        "half.zip": (whole[: len(whole) // 2], "half.zip is no zip file, or a damaged one"),
        "bad.zip": (whole[:200] + bytes(200) + whole[400:], "damaged"),
    }
    for name, (content, _) in bad.items():
        (directory / name).write_bytes(content)
    return archive, {directory / name: said for name, (_, said) in bad.items()}


async def test_the_offline_report_is_the_same_page(open_page: OpenPage, watched: Stack, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    write_report(StoredRun.read(run))
    page = await open_page(watched)
    await page.goto((run / "report.html").as_uri())
    await replayed(page)
    assert await violations(page) == []


# ---- for everybody ------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits_a_phone(watched: Stack, open_page: OpenPage, scheme: str) -> None:
    page = await open_page(watched, color_scheme=scheme, **PHONE)
    for where in ("compare", "runs", "runs/20260101-000000-made-1"):
        await go(page, watched, where)
        await expect(
            page.get_by_role("heading").nth(1) if where != "runs" else page.get_by_test_id("run").first
        ).to_be_visible()
        assert await violations(page) == [], where
        assert await Visitor(page, "").overflow() == [], where


def plot(page: Page, panel: str) -> Locator:
    return page.get_by_test_id(f"panel-{panel}").locator(".plot")


async def test_the_keys_zoom_and_pause(page: Page) -> None:
    await plot(page, "cpu").focus()
    await page.keyboard.press("+")
    await expect(page.get_by_test_id("zoom-out")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("zoom-out")).to_have_count(0)
    await page.keyboard.press(" ")
    await expect(page.get_by_test_id("pause")).to_have_text("Go on")
    await page.keyboard.press(" ")
    await expect(page.get_by_test_id("pause")).to_have_text("Pause")


async def test_the_arrows_step_through_the_seconds_of_all_charts(watched: Stack, page: Page) -> None:
    with Api(watched) as api:
        await until(lambda: len(api.ticks()) > 5)
        await expect(plot(page, "cpu").locator("canvas")).to_be_visible()
        await page.get_by_test_id("pause").click()
        await plot(page, "cpu").focus()
        seen = [await stepped(page, "ArrowLeft") for _ in range(3)]
        assert await stepped(page, "ArrowRight") == seen[1]
        ticks = {time.strftime("%H:%M:%S", time.localtime(tick["t"])): tick for tick in api.ticks()}
    places = [list(ticks).index(moment) for moment in seen]
    assert places == [places[0], places[0] - 1, places[0] - 2]
    for panel, metric, label in (("rss", "rss", "async"), ("threads", "threads", "sync"), ("fds", "fds", "sync")):
        shown, there = await figure(page, panel, label), ticks[seen[1]]["sides"][label]["m"][metric]
        assert shown == pytest.approx(there / (1 << 20) if panel == "rss" else there, rel=0.01)
    before = await cursor(page, "cpu").get_attribute("style")
    for panel in ("rss", "connections", "redis"):  # some of them were out of sight
        await plot(page, panel).scroll_into_view_if_needed()
        await expect(cursor(page, panel)).to_have_attribute("style", str(before))


def cursor(page: Page, panel: str) -> Locator:
    return plot(page, panel).locator(".u-cursor-x")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no page shows."""
    async with asyncio.timeout(SLOW / 1000):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - it is asked of another process
            await asyncio.sleep(0.2)


async def stepped(page: Page, key: str) -> str:
    """Press an arrow; return the moment at which the cursors are then."""
    pointed = page.get_by_test_id("cursor-time")
    before = await pointed.inner_text()
    await page.keyboard.press(key)
    await expect(pointed).not_to_have_text(before)
    return (await pointed.inner_text()).removeprefix("at ")


async def test_the_mouse_zooms_all_and_the_window_is_chosen(page: Page) -> None:
    box = await plot(page, "connections").locator("canvas").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 120, box["y"] + 60)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 240, box["y"] + 70, steps=5)
    await page.mouse.up()
    await expect(page.get_by_test_id("zoom-out")).to_be_visible()
    minutes = page.get_by_role("button", name="5 min", exact=True)
    await expect(minutes).to_have_attribute("aria-pressed", "false")
    await minutes.click()
    await expect(minutes).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_test_id("zoom-out")).to_have_count(0)


async def test_a_pause_stops_what_is_shown_and_nothing_else(watched: Stack, page: Page) -> None:
    await expect(state(page, "async")).to_have_attribute("data-state", "live")
    await plot(page, "cpu").focus()
    await expect(plot(page, "cpu").locator("canvas")).to_be_visible()
    await page.get_by_test_id("pause").click()
    await plot(page, "cpu").focus()
    await stepped(page, "ArrowLeft")
    last = await stepped(page, "ArrowRight")
    with Api(watched) as api:
        now = len(api.ticks())
        await until(lambda: len(api.ticks()) > now + 2)
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_test_id("cursor-time")).to_have_text(f"at {last}")
    await page.get_by_test_id("pause").click()
    await plot(page, "cpu").focus()
    assert await stepped(page, "ArrowRight") > last


# ---- what is left -------------------------------------------------------------------------------


async def test_a_killed_monitor_takes_its_load_along_and_nothing_else(watched: Stack) -> None:
    await asyncio.to_thread(killed, watched)


def killed(watched: Stack) -> None:
    with Api(watched) as api:
        assert api.ask("POST", "load", HARMLESS).status_code == 201
    crowd = psutil.Process(monitor_of(watched).pid).children()
    os.kill(monitor_of(watched).pid, signal.SIGKILL)
    psutil.wait_procs(crowd, timeout=5)
    assert not any(process.is_running() for process in crowd)
    assert watched.fallen() is None
    assert all(backend.probe() is None for backend in watched.backends.values())
