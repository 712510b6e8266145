"""Faults × profiles, rotated over seeds: each seed hurts every profile once, each by another fault, side by side."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.crowd import Load
from chaos.faults import FAULTS
from chaos.run import Result, Scale, run

SCALE: Final = Scale(Load(clients=16, rooms=4, rate=60.0))
MOST_SHOWN: Final = 5
"""Findings of one run that are printed; all are in what is kept of it."""
STRIDE: Final = 5
"""How far the profiles are apart in the list of faults."""
HEADER: Final = (
    f"{'seed':>4}  {'fault':<18}{'profile':<8}{'acked':>7}{'delivered':>11}{'lost':>6}{'doubled':>9}{'reordered':>11}"
    f"{'recovered':>11}  verdict"
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run. ``minutes``, where given, decides instead of ``seeds``."""

    faults: Sequence[str]
    sites: Sequence[str]
    first: int
    seeds: int
    minutes: float | None

    def rounds(self) -> Iterator[tuple[int, list[tuple[str, str]]]]:
        """Give seeds, each with fault and site of the runs that it makes at the same time."""
        seed, began = self.first, time.monotonic()
        while self._goes_on(seed, began):
            place = seed - 1
            faults = [self.faults[(place + number * STRIDE) % len(self.faults)] for number in range(len(self.sites))]
            yield seed, list(zip(faults, self.sites, strict=True))
            seed += 1

    def _goes_on(self, seed: int, began: float) -> bool:
        if self.minutes is not None:
            return time.monotonic() - began < self.minutes * 60
        return seed < self.first + self.seeds


async def run_all(plan: Plan, directory: Path, say: Say) -> int:
    """Run what is planned, print a row for each run, and return 1 if anything was found."""
    runs, failed, began = 0, list[Result](), time.monotonic()
    say(HEADER)
    for seed, pairs in plan.rounds():
        for result in await asyncio.gather(*(_run(fault, site, seed, directory) for fault, site in pairs)):
            runs += 1
            _tell(result, say)
            if result.verdict.findings:
                failed.append(result)
                (result.directory / "findings.txt").write_text("\n".join(map(str, result.verdict.findings)) + "\n")
            else:
                await asyncio.to_thread(shutil.rmtree, result.directory)
    minutes = (time.monotonic() - began) / 60
    say(f"{runs} runs in {minutes:.1f} min, {len(failed)} with findings.")
    return 1 if failed else 0


async def _run(fault: str, site: str, seed: int, directory: Path) -> Result:
    return await run(FAULTS[fault], site, seed, SCALE, directory / f"{seed}-{fault}-{site}")


def _tell(result: Result, say: Say) -> None:
    verdict = result.verdict
    lost, doubled = verdict.count("lost", "gap", "vanished", "untold"), verdict.count("doubled")
    felt = "never" if result.recovered is None else f"{result.recovered:.2f} s"
    found = f"{len(verdict.findings)} findings" if verdict.findings else "kept"
    say(
        f"{result.seed:>4}  {result.fault:<18}{result.site:<8}{verdict.account.acked:>7}{verdict.account.delivered:>11}"
        f"{lost:>6}{doubled:>9}{verdict.count('reordered'):>11}{felt:>11}  {found}"
    )
    for finding in verdict.findings[:MOST_SHOWN]:
        say(f"      {finding}")
    if verdict.findings:
        say(f"      all of them: {result.directory}/findings.txt; once more: python -m chaos check {result.directory}")
