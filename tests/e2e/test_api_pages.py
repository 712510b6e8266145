"""The pages that describe the REST interface come whole from the backend itself."""

import pytest
from playwright.async_api import expect

from stack.up import Stack
from tests.e2e.conftest import OpenPage


@pytest.mark.parametrize("profile", ["async", "sync"])
async def test_swagger_ui_renders(stack: Stack, open_page: OpenPage, profile: str) -> None:
    page = await open_page(stack)
    await page.goto(f"{stack.backends[profile].url}/docs")
    await expect(page.get_by_role("heading", name="Tandem").first).to_be_visible()
    await page.get_by_text("/api/rooms/{room}/messages").first.click()
    await expect(page.get_by_role("button", name="Try it out").first).to_be_visible()
    await page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("profile", ["async", "sync"])
async def test_redoc_renders(stack: Stack, open_page: OpenPage, profile: str) -> None:
    page = await open_page(stack)
    await page.goto(f"{stack.backends[profile].url}/redoc")
    await expect(page.get_by_role("heading", name="Tandem").first).to_be_visible()
    await expect(page.get_by_text("/api/rooms/{room}/messages").first).to_be_attached()
    await page.wait_for_load_state("networkidle")
