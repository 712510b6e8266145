"""One fault at every site at the same time, on servers that are started once: each site passes or fails alone."""

import asyncio
import contextlib
import random
from pathlib import Path

from chaos.crowd import Load
from chaos.faults import FAULTS
from chaos.run import SITES, Result, Scale, complaints, play, servers
from stack.up import Stack

SCALE = Scale(Load(clients=9, rooms=3, rate=30.0), before=0.8, hold=2.0, after=1.0, pace=0.5)
SEED = 1


class SideBySide:
    """Servers of every site, and what came of each fault at each of them. A context manager."""

    def __init__(self, directory: Path, workers: int = 1) -> None:
        self.loop = asyncio.new_event_loop()
        self.stacks: dict[str, Stack] = {}
        self._directory = directory
        self._workers = workers
        self._running = contextlib.AsyncExitStack()
        self._results: dict[str, dict[str, Result | BaseException]] = {}

    def __enter__(self) -> "SideBySide":
        self.loop.run_until_complete(self._start())
        return self

    async def _start(self) -> None:
        running = [servers(site, self._directory / site / "servers", self._workers) for site in SITES]
        started = await asyncio.gather(*(self._running.enter_async_context(one) for one in running))
        self.stacks = dict(zip(SITES, started, strict=True))

    def __exit__(self, *_: object) -> None:
        self.loop.run_until_complete(self._running.aclose())
        self.loop.close()
        assert [str(finding) for stack in self.stacks.values() for finding in complaints(stack)] == []

    def result(self, fault: str, site: str) -> Result:
        """Raise what went wrong where the run could not be made."""
        if fault not in self._results:
            self._results[fault] = self.loop.run_until_complete(self._play(fault))
        result = self._results[fault][site]
        if isinstance(result, BaseException):
            raise result
        return result

    async def _play(self, fault: str) -> dict[str, Result | BaseException]:
        random.seed(SEED)
        played = (
            play(stack, FAULTS[fault], site, SEED, SCALE, self._directory / site / fault)
            for site, stack in self.stacks.items()
        )
        results = await asyncio.gather(*played, return_exceptions=True)
        return dict(zip(self.stacks, results, strict=True))


def hold(result: Result) -> None:
    """Fail with what was found. The records stay in the directory that is named."""
    found = [str(finding) for finding in result.verdict.findings]
    assert not found, "\n".join([*found, f"The records: {result.directory}"])
    assert result.recovered is not None, "somebody got nothing any more"
    assert result.verdict.account.acked > 20, "that was no load"
    assert result.verdict.account.delivered > result.verdict.account.acked
