"""The monitor's end of the process in which the crowd lives."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from loadtest.monitor.demo import Size

READY_WITHIN: Final = 30.0
CHECKED_WITHIN: Final = 40.0
LINE: Final = 4 * 1024 * 1024


class CrowdError(Exception):
    """There is no crowd, or it cannot begin. The text is one line for a person."""


class CrowdProcess:
    """At most one crowd at a time. ``second`` is what it told last; None where there is none."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.size: Size | None = None
        self.second: dict[str, Any] | None = None
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._launching = asyncio.Lock()  # held until there is a process, or none
        self._told = asyncio.Condition()
        self._answers: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> bool:
        """Whether there is one, or about to be."""
        return self._launching.locked() or self._alive

    @property
    def _alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, sides: Mapping[str, str], size: Size) -> None:
        """Send a crowd to the backends at these addresses, by label; wait until it is in. Raises CrowdError."""
        async with self._launching:
            if self._alive:
                raise CrowdError("a load is running already: stop it first")
            if not sides:
                raise CrowdError("no backend is up")
            process = await self._launch(sides, size)
        await self._until(self._all_in, READY_WITHIN)
        if process.returncode is not None:
            raise CrowdError(await self._last_words(process))

    async def _launch(self, sides: Mapping[str, str], size: Size) -> asyncio.subprocess.Process:
        told = json.dumps({"sides": dict(sides), **size.model_dump()})
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtest.monitor.demo", told),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE,
        )
        self.size, self.second = size, None
        task = asyncio.create_task(self._listen(process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._changed()
        return process

    async def stop(self) -> None:
        """Send it home."""
        async with self._launching:
            process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    async def mark(self) -> dict[str, Any]:
        """Return the counts of each side as something is about to happen. Raises CrowdError."""
        return await self._ask("mark", "marked", 5.0)

    async def check(self) -> dict[str, Any]:
        """Wait until all that was posted has arrived, or long enough; return what was found. Raises CrowdError."""
        return await self._ask("check", "checked", CHECKED_WITHIN)

    def tell(self, **what: Any) -> None:
        """Let it do something. Raises CrowdError."""
        if not self._alive or self._process is None or self._process.stdin is None:
            raise CrowdError("there is no load")
        self._process.stdin.write(json.dumps(what).encode() + b"\n")

    async def _ask(self, question: str, answer: str, patience: float) -> dict[str, Any]:
        async with self._launching:
            self._answers.pop(answer, None)
            self.tell(do=question)
        await self._until(lambda: answer in self._answers, patience)
        if answer not in self._answers:
            raise CrowdError("the load has ended, or does not answer")
        found: dict[str, Any] = self._answers[answer]["sides"]
        return found

    async def _until(self, condition: Callable[[], bool], patience: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience), self._told:
                await self._told.wait_for(lambda: condition() or not self._alive)

    def _all_in(self) -> bool:
        return self.second is not None and all(
            side["open"] == side["planned"] for side in self.second["sides"].values()
        )

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        while line := await process.stdout.readline():
            told = json.loads(line)
            if told["type"] == "second":
                self.second = _with_growth(told, self.second)
            else:
                self._answers[told["type"]] = told
            async with self._told:
                self._told.notify_all()
        await process.wait()
        if self._process is process:  # and not one that came after it
            self.size = self.second = None
        async with self._told:
            self._told.notify_all()
        self._changed()

    @staticmethod
    async def _last_words(process: asyncio.subprocess.Process) -> str:
        said = await process.stderr.read() if process.stderr is not None else b""
        lines = said.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the load ended at once"


def _with_growth(second: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Add to each side by how much its counts have grown since the second before."""
    for label, side in second["sides"].items():
        then = before["sides"][label]["counts"] if before is not None else {}
        side["grown"] = {name: count - then.get(name, 0) for name, count in side["counts"].items()}
    return second
