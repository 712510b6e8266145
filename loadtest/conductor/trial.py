"""One trial: a contender started, checked, filled, put under load, watched, and stopped."""

import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loadtest.conductor import conformance, merge, watch
from loadtest.conductor.by_locust import LocustFleet
from loadtest.conductor.closing import conclude, grown, resources
from loadtest.conductor.contender import Contender, Running, UsageError, started
from loadtest.conductor.counters import Counters
from loadtest.conductor.faults import hurt
from loadtest.conductor.figures import figures
from loadtest.conductor.fleet import AnyFleet, Fleet, FleetError
from loadtest.conductor.place import Place
from loadtest.crew.passport import Passports
from loadtest.record.directory import RunWriter
from loadtest.record.models import (
    Denominators,
    Event,
    Ledger,
    Resources,
    Second,
    ServerSample,
    Trial,
)
from loadtest.schedule import Schedule
from loadtest.targets import SECRET
from loadtest.workload import Fault
from stack.errors import StackError

START_IN: Final = 0.3
"""Seconds from the word until the plan begins: all processes have heard it by then."""
FILLING: Final = 120.0
AFTERMATH: Final = 60.0
"""Seconds after the plan's end in which the processes must have closed their books."""


@dataclass
class Course:
    """One trial while it is on. ``seen`` is told every second of it."""

    contender: Contender
    schedule: Schedule
    repeat: int
    block: int
    place: Place
    writer: RunWriter
    work_dir: Path
    seen: Callable[[Second | None, str], None]
    seconds: list[Second] = field(default_factory=list)
    samples: list[ServerSample] = field(default_factory=list)
    began: float = 0.0
    """monotonic time at which the plan began"""
    _frames: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)

    def run(self) -> Trial:
        """Go the whole way. What cannot be measured is a failed trial, not an exception."""
        at, begun = time.time(), time.monotonic()
        trial = Trial(
            label=self.contender.label,
            repeat=self.repeat,
            block=self.block,
            began=at,
            seconds=0.0,
            status="failed",
            conformance=[],
            phases=[],
            ledger=Ledger(),
            examples=[],
            denominators=Denominators(intended=0, connected=0, delivered=0),
            losses=[],
            closes={},
            resources=Resources(**dict.fromkeys(Resources.model_fields)),
            generator=merge.health([], 0.0),
            counters={},
            figures={},
        )
        log = self.writer.path / "logs" / f"{self.contender.label.replace(':', '-')}-{self.repeat}.log"
        self.seen(None, "starts")
        try:
            with Counters(self.work_dir / "stats.sock") as counters, self._started(log, counters) as running:
                self._measure(running, counters, trial)
        except (StackError, FleetError, UsageError) as error:
            trial.error = str(error)
        trial.seconds = time.monotonic() - begun
        return trial

    def _started(self, log: Path, counters: Counters) -> AbstractContextManager[Running]:
        workload, cpus = self.schedule.workload, self.place.server_cpus
        return started(self.contender, workload, cpus, self.work_dir, log, counters.path)

    def _measure(self, running: Running, counters: Counters, trial: Trial) -> None:
        prefix = f"lt{os.urandom(3).hex()}"
        passports = Passports(running.address, *self._sessions(running))
        tandem = running.speaks_http
        self.seen(None, "is checked")
        trial.conformance = conformance.failures(running.address, passports, prefix, tandem=tandem)
        if trial.conformance:
            trial.error = "it does not conform"
            return
        eyes = watch.Watch(running, counters, self.place.used)
        time.sleep(0.3)
        idle = _rss(eyes)
        with self._fleet([self._job(running, prefix, number) for number in range(self.place.processes)]) as fleet:
            self.seen(None, "lets members in")
            fleet.tell({"do": "open"})
            fleet.collect("ready", FILLING)
            time.sleep(0.5)
            full = _rss(eyes)
            counted = watch.counters(running)
            before, generator = eyes.cpu(), _generator_cpu(fleet)
            self.began = time.monotonic() + START_IN
            fleet.tell({"do": "begin", "at": self.began})
            self._note_phases()
            finals = self._follow(fleet, running, eyes, counters)
            after, generator = eyes.cpu(), _generator_cpu(fleet) - generator
            trial.counters = grown(counted, watch.counters(running))
        conclude(trial, finals, self.schedule, self.seconds)
        used = {name: after[name] - before[name] for name in after} | {"generator": generator}
        trial.resources = resources(
            trial, self.schedule, self.samples, used, (idle, full), time.monotonic() - self.began
        )
        trial.figures = figures(trial, self.schedule, self.seconds, self.samples)
        trial.status = "complete"

    def _fleet(self, jobs: list[dict[str, Any]]) -> AnyFleet:
        if self.place.by_locust:
            return LocustFleet(jobs, self.writer.path / "logs", self.place.locust_listens)
        return Fleet(jobs)

    def _sessions(self, running: Running) -> tuple[str | None, bool]:
        return (SECRET, False) if running.contender.ours else (None, running.contender.target is None)

    def _job(self, running: Running, prefix: str, number: int) -> dict[str, Any]:
        secret, asked = self._sessions(running)
        return {
            "workload": self.schedule.workload.as_json(),
            "seed": self.schedule.seed,
            "segment": number,
            "segments": self.place.processes,
            "address": list(running.address),
            "secret": secret,
            "sessions": asked,
            "prefix": prefix,
            "cpu": self.place.generator_cpus[number],
        }

    # ---- while it is on -------------------------------------------------------------------------

    def _follow(self, fleet: AnyFleet, running: Running, eyes: watch.Watch, counters: Counters) -> list[dict[str, Any]]:
        """Write what comes, sample, and do what is to go wrong, until all processes have closed their books."""
        faults = sorted(self.schedule.workload.faults, key=lambda fault: fault.at)
        deadline = self.began + self.schedule.workload.duration + AFTERMATH
        next_sample = math.floor(time.monotonic() - self.began) + 1
        tops: dict[int, dict[str, int]] = {}
        finals: dict[int, dict[str, Any]] = {}
        hurting: list[threading.Thread] = []
        while len(finals) < fleet.count:
            now = time.monotonic() - self.began
            if heard := fleet.heard(min(0.1, max(0.0, next_sample - now))):
                number, line = heard
                if line["kind"] == "second":
                    self._take_second(line, fleet.count)
                elif line["kind"] == "tops":
                    tops[number] = line["tops"]
                    if len(tops) == fleet.count:
                        fleet.tell({"do": "close", "tops": _highest(tops.values())})
                elif line["kind"] == "final":
                    finals[number] = line
            if (now := time.monotonic() - self.began) >= next_sample:
                self._sample(next_sample, eyes, counters)
                next_sample += 1
            while faults and faults[0].at <= now:
                hurting.append(threading.Thread(target=self._hurt, args=(faults.pop(0), running), daemon=True))
                hurting[-1].start()
            if now + self.began > deadline:
                raise FleetError("the generator did not come to an end")
        for thread in hurting:
            thread.join(30)
        return [finals[number] for number in range(fleet.count)]

    def _take_second(self, frame: Mapping[str, Any], processes: int) -> None:
        frames = self._frames.setdefault(frame["t"], [])
        frames.append(frame)
        if len(frames) < processes:
            return
        t = frame["t"]
        inside = t < self.schedule.workload.duration
        phase = self.schedule.windows[self.schedule.window_at(t)].phase.name if inside else None
        second = merge.second(self._frames.pop(t), self.contender.label, self.repeat, phase, self._at(t + 1))
        self.seconds.append(second)
        self.writer.append("series.jsonl", second)
        self.seen(second, phase or "settles")

    def _sample(self, t: int, eyes: watch.Watch, counters: Counters) -> None:
        counters.listen(time.monotonic())
        sample = ServerSample(
            t=t,
            at=self._at(t),
            label=self.contender.label,
            repeat=self.repeat,
            processes=eyes.processes(),
            redis=eyes.redis(),
            socket_memory=watch.socket_memory(),
            scheduler_lag=counters.scheduler_lag(),
            values=counters.values(),
        )
        self.samples.append(sample)
        self.writer.append("servers.jsonl", sample)

    def _at(self, t: float) -> float:
        return time.time() - time.monotonic() + self.began + t

    def _note(self, t: float, kind: Any, name: str, until: float | None = None, detail: str = "") -> None:
        event = Event(
            t=t,
            at=self._at(t),
            label=self.contender.label,
            repeat=self.repeat,
            kind=kind,
            name=name,
            until=until,
            detail=detail,
        )
        self.writer.append("events.jsonl", event)

    def _note_phases(self) -> None:
        for window in self.schedule.windows:
            self._note(window.begin, "phase", window.phase.name, window.end)
        if stall := self.schedule.workload.stall:
            until = None if stall.forever else stall.at + stall.seconds
            self._note(stall.at, "fault", "mute" if stall.forever else "stop reading", until, f"{stall.share:.0%}")

    def _hurt(self, fault: Fault, running: Running) -> None:
        began = time.monotonic() - self.began
        detail = ""
        try:
            hurt(fault, running)
        except StackError as error:
            detail = str(error)
        self._note(began, "fault", fault.kind, time.monotonic() - self.began, detail)


def _highest(tops: Any) -> dict[str, int]:
    highest: dict[str, int] = {}
    for some in tops:
        for room, top in some.items():
            highest[room] = max(highest.get(room, 0), top)
    return highest


def _rss(eyes: watch.Watch) -> int | None:
    found = [one.rss for one in eyes.processes() if one.role != "redis"]
    return sum(found) if found else None


def _generator_cpu(fleet: AnyFleet) -> float:
    return watch.cpu_of(fleet.pids()) + time.process_time()
