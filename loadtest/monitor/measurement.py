"""A run of the load test, started from the page: a process of its own, with servers of its own."""

import asyncio
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from loadtest.scenarios import scenarios

TARGETS: Final = ("async", "sync")
STOP_WITHIN: Final = 20.0
LINES: Final = 20
NAMES: Final = re.compile(r"[a-z][a-z0-9_]*")


class MeasurementError(Exception):
    """It cannot begin. The text is one line for a person."""


class Order(BaseModel, extra="forbid"):
    """What is to be measured; what is left out is as the scenario declares it."""

    scenario: Annotated[str, Field(pattern=NAMES.pattern, max_length=40)]
    connections: int | None = Field(None, ge=1, le=5000)
    rate: float | None = Field(None, gt=0, le=5000)
    duration: float | None = Field(None, ge=1, le=600)
    repeats: int = Field(1, ge=1, le=5)


@cache
def choices() -> list[dict[str, str]]:
    """Return the scenarios by name and title."""
    return [{"name": scenario.name, "title": scenario.title} for scenario in scenarios().values()]


class Measurement:
    """At most one at a time. Whoever stops it gets a run directory that is valid all the same."""

    def __init__(self, runs: Path, changed: Callable[[], None]) -> None:
        self.order: Order | None = None
        self.said = ""
        """Its last word: how the last one ended, or what this one does."""
        self._runs = runs
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, order: Order) -> None:
        """Begin to measure. Raises MeasurementError."""
        if self.order is not None:
            raise MeasurementError("a measurement is under way: stop it first")
        if order.scenario not in {one["name"] for one in choices()}:
            raise MeasurementError(f"there is no scenario {order.scenario!r}")
        command = [sys.executable, "-m", "loadtest", "run", order.scenario, "--plain", "--out", str(self._runs)]
        command += [part for target in TARGETS for part in ("--target", target)]
        chosen: dict[str, Any] = order.model_dump(exclude={"scenario"}, exclude_none=True)
        command += [part for name, value in chosen.items() for part in (f"--{name}", str(value))]
        self.order, self.said = order, "starting the servers"
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except BaseException:
            self.order = None
            raise
        self._task = asyncio.create_task(self._listen(self._process))
        self._changed()

    async def stop(self) -> None:
        """End it early; what was measured so far is kept."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), STOP_WITHIN)
        except TimeoutError:
            process.kill()
        if self._task is not None:
            await self._task

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        lines: list[str] = []
        while line := await process.stdout.readline():
            if text := line.decode(errors="replace").strip():
                lines = [*lines[-LINES:], text]
                self.said = text[:300]
                self._changed()
        code = await process.wait()
        refused = next((line for line in lines if line.startswith("loadtest: ")), "")
        self.said = refused.removeprefix("loadtest: ") or ENDS.get(code, f"ended with exit code {code}")
        self.order = None
        self._changed()


ENDS: Final = {
    0: "passed",
    1: "an objective was missed",
    2: "it was misused",
    3: "void: the generator was the limit",
    4: "a target does not conform",
    130: "interrupted; what was measured is kept",
}
