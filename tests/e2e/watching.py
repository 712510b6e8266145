"""The monitor, as tests watch and ask it."""

from typing import Any

import httpx
from playwright.async_api import Locator, Page

from stack.monitor import Monitor
from stack.up import Stack

HARMLESS = {"members": 12, "rooms": 3, "rate": 6}
"""A load that leaves the machine to the tests."""


def monitor_of(stack: Stack) -> Monitor:
    assert stack.monitor is not None
    return stack.monitor


async def go(page: Page, stack: Stack, where: str = "") -> None:
    await page.goto(f"{monitor_of(stack).url}/#/{where}")


def state(page: Page, kind: str) -> Locator:
    return page.get_by_test_id(f"state-{kind}")


class Api:
    """What a page says to the monitor."""

    def __init__(self, stack: Stack) -> None:
        self._http = httpx.Client(timeout=40)
        self._url = f"{monitor_of(stack).url}/api/monitor"
        self.token = str(self.state()["token"])

    def state(self) -> dict[str, Any]:
        return dict(self._http.get(self._url).json()["state"])

    def ticks(self) -> list[dict[str, Any]]:
        return list(self._http.get(self._url).json()["ticks"])

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self._http.request(
            method, f"{self._url}/{path}", json=body, headers={"X-Tandem-Token": self.token, **headers}
        )

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
