"""Second opinions: the same small scenario measured by us, by plain Locust and by k6, to see that we agree.

Each tool has its own client, its own loop and its own clock. What must agree is every delivery, and the median latency
within MARGIN: the 99th percentile of so few messages is one of the machine's, not the tool's. They take turns, and the
lowest median of each counts: what else the machine does makes it higher, and never lower.
"""

import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.conductor.by_locust import LOCUST
from loadtest.conductor.contender import Contender, started
from loadtest.conductor.experiment import Experiment
from loadtest.conductor.place import Place
from loadtest.record.directory import StoredRun
from loadtest.scenario import NOTHING_BROKEN, Scenario
from loadtest.schedule import make_schedule
from loadtest.workload import Phase, Workload
from stack.server import KEPT_VARIABLES, ROOT

MEMBERS: Final = 21
RATE: Final = 20.0
MARGIN_SECONDS: Final = 0.003
MARGIN: Final = 0.3
"""Medians agree when they differ by no more than this many seconds, or by this part of ours."""
TEXT: Final = "the quick answer is that nobody knows yet but we are going to measure it tonight"
LONGEST: Final = 120.0
TURNS: Final = 3
SHORTEST: Final = 2.0
"""Seconds of a turn."""


@dataclass(frozen=True)
class Opinion:
    """What one tool found. Seconds."""

    tool: str
    sent: int
    deliveries: int
    p50: float
    p99: float

    def agrees(self, ours: "Opinion") -> bool:
        """Whether it saw every delivery, and a median like ours."""
        near = abs(self.p50 - ours.p50) <= max(MARGIN_SECONDS, MARGIN * ours.p50)
        return near and self.deliveries == self.sent * MEMBERS


def opinions(contender: Contender, place: Place, seconds: float) -> tuple[list[Opinion], list[str]]:
    """Return what each tool found that is installed, ours first, and which ones are not."""
    programs = {"Locust": str(LOCUST) if LOCUST.exists() else None, "k6": shutil.which("k6")}
    turn = max(SHORTEST, seconds / TURNS)
    phases = (Phase("talk", turn, rate=RATE),)
    workload = Workload(connections=MEMBERS, speakers=1, arrivals="constant", words=(14, 14), phases=phases)
    found: dict[str, list[Opinion]] = {}
    for _ in range(TURNS):
        found.setdefault("loadtest", []).append(_ours(contender, workload, place))
        for tool, program in programs.items():
            if program is not None:
                found.setdefault(tool, []).append(_theirs(tool, program, contender, workload, place))
    return [together(turns) for turns in found.values()], [
        tool for tool, program in programs.items() if program is None
    ]


def together(turns: Sequence[Opinion]) -> Opinion:
    """Return what a tool found in all its turns: every message and delivery, and its lowest percentiles."""
    return Opinion(
        turns[0].tool,
        sum(one.sent for one in turns),
        sum(one.deliveries for one in turns),
        min(one.p50 for one in turns),
        min(one.p99 for one in turns),
    )


def _theirs(tool: str, program: str, contender: Contender, workload: Workload, place: Place) -> Opinion:
    command = _locust(program) if tool == "Locust" else _k6(program)
    with tempfile.TemporaryDirectory(prefix="tandem-") as directory:
        path = Path(directory)
        with started(contender, workload, place.server_cpus, path, path / "log", path / "stats") as running:
            return _told(tool, command, running.address, workload.duration)


def _ours(contender: Contender, workload: Workload, place: Place) -> Opinion:
    scenario = Scenario("opinion", "One speaker, twenty listeners.", workload, (NOTHING_BROKEN,))
    with tempfile.TemporaryDirectory(prefix="tandem-") as directory:
        experiment = Experiment(scenario, make_schedule(workload, 1), [contender], 1, place, [], Path(directory))
        path, _ = experiment.run(lambda *_: None)
        (trial,) = StoredRun.read(path).trials
    nothing = math.nan
    p50, p99 = trial.figures.get("delivery_p50") or nothing, trial.figures.get("delivery_p99") or nothing
    sent = sum(phase.sent for phase in trial.phases)
    return Opinion("loadtest", sent, trial.denominators.delivered, p50, p99)


def _locust(program: str) -> list[str]:
    command = [program, "-f", str(ROOT / "loadtest" / "locust" / "opinion.py"), "--headless", "--loglevel", "ERROR"]
    return [*command, "-u", str(MEMBERS), "-r", str(MEMBERS), "--only-summary"]


def _k6(program: str) -> list[str]:
    return [program, "run", "--quiet", str(ROOT / "loadtest" / "opinion.js")]


def _told(tool: str, command: list[str], address: tuple[str, int], seconds: float) -> Opinion:
    told = {"host": address[0], "port": address[1], "room": "opinion", "members": MEMBERS}
    told |= {"rate": RATE, "messages": int(seconds * RATE), "text": TEXT}
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    done = subprocess.run(
        command,
        env=environment | {"OPINION": json.dumps(told)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        timeout=seconds + LONGEST,
        check=False,
    )
    for line in done.stdout.splitlines():
        with suppress(ValueError):
            found = json.loads(line)
            return Opinion(tool, int(found["sent"]), int(found["deliveries"]), found["p50"], found["p99"])
    return Opinion(tool, 0, 0, math.nan, math.nan)
