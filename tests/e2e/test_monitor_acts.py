"""Every button of the dashboards hurts both backends and ends in a verdict on each."""

import asyncio

import pytest
from playwright.async_api import Page, expect

from stack.up import Stack
from tests.e2e.watching import HARMLESS, Api, state

ACTS = ["kill_worker", "freeze_redis", "kill_redis", "mute", "block", "burn", "drain", "cut"]
ACT_WITHIN = 60_000
SLOW = 20_000


@pytest.fixture
def outages() -> bool:
    """Servers are away here, and the browser may say so."""
    return True


@pytest.mark.parametrize("act", ACTS)
async def test_every_button_ends_in_a_verdict(watched: Stack, page: Page, act: str) -> None:
    with Api(watched) as api:
        assert (await asyncio.to_thread(api.ask, "POST", "load", HARMLESS)).status_code == 201
    await page.get_by_test_id(f"act-{act}").click()
    await expect(page.get_by_test_id("act-state")).not_to_be_empty()
    for other in ACTS:
        await expect(page.get_by_test_id(f"act-{other}")).to_be_disabled()
    card = page.get_by_test_id(f"card-{act}").first
    await expect(card).to_be_visible(timeout=ACT_WITHIN)
    box = await card.bounding_box()
    assert box is not None
    assert (await page.locator(".cards").bounding_box() or box)["height"] >= box["height"], "the card is cut off"
    for label in ("async", "sync"):
        verdict = card.get_by_test_id(f"verdict-{label}")
        await expect(verdict.locator("li").first).to_have_attribute("data-held", "true")
        await expect(verdict.locator("li").first).to_contain_text("deliveries")
    if act in ("block", "burn"):
        await expect(card.get_by_test_id("verdict-async")).to_have_attribute("data-held", "false")
        await expect(card.get_by_test_id("verdict-async")).to_contain_text("deliveries late")
    if act in ("kill_worker", "cut", "drain"):
        await expect(card.get_by_test_id("verdict-sync")).to_contain_text("12 members cut off")
    for kind in ("async", "sync", "redis"):
        await expect(state(page, kind)).to_have_attribute("data-state", "live", timeout=SLOW)
