"""One trial: a contender started, checked, filled, put under load, watched, and stopped."""

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loadtest.conductor import conformance, merge, watch
from loadtest.conductor.by_locust import LocustFleet
from loadtest.conductor.contender import Contender, Running, UsageError, started
from loadtest.conductor.counters import Counters
from loadtest.conductor.faults import hurt
from loadtest.conductor.figures import figures, lag_p99
from loadtest.conductor.fleet import AnyFleet, Fleet, FleetError
from loadtest.crew import accounts
from loadtest.crew.passport import Passports
from loadtest.record.directory import RunWriter
from loadtest.record.models import (
    Denominators,
    Event,
    Ledger,
    Loss,
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


@dataclass(frozen=True)
class Place:
    """Where it goes on, and by whom: CPUs are None where nothing is pinned."""

    server_cpus: frozenset[int] | None
    generator_cpus: tuple[int | None, ...]
    """one for each process of the generator"""
    by_locust: bool = False
    """whether Locust's workers start them"""
    locust_listens: str | None = None
    """where Locust's master waits for workers of other machines, HOST:PORT; None: they are on this one"""

    @property
    def processes(self) -> int:
        return len(self.generator_cpus)

    @property
    def described(self) -> str:
        """The generator, in words."""
        count = "1 process" if self.processes == 1 else f"{self.processes} processes"
        return f"the same code, {count}{', conducted by Locust' if self.by_locust else ''}"

    @property
    def used(self) -> frozenset[int] | None:
        pinned = frozenset(cpu for cpu in self.generator_cpus if cpu is not None)
        return None if self.server_cpus is None else self.server_cpus | pinned


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
            trial.counters = _grown(counted, watch.counters(running))
        self._conclude(trial, finals)
        trial.resources = self._resources(idle, full, before, after, generator, trial)
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
        counters.listen()
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

    # ---- the end --------------------------------------------------------------------------------

    def _conclude(self, trial: Trial, finals: list[dict[str, Any]]) -> None:
        trial.phases = merge.phases(finals, self.schedule.windows)
        ledger: Counter[str] = Counter()
        causes: Counter[str] = Counter()
        for final in finals:
            ledger.update(final["ledger"])
            causes.update(final["losses"])
        trial.ledger = Ledger(**ledger)
        trial.examples = merge.examples(finals)
        trial.losses = [Loss(**row) for row in accounts.as_record(causes, trial.counters)]
        delivered = sum(final["delivered"] for final in finals)
        trial.denominators = Denominators(
            intended=sum(action.audience for action in self.schedule.actions if action.kind == "post"),
            connected=delivered + ledger["lost"],
            delivered=delivered,
        )
        closes: Counter[str] = Counter()
        for second in self.seconds:
            closes.update(second.closes)
        trial.closes = dict(closes)
        trial.generator = merge.health(self.seconds, self.schedule.workload.duration, finals)

    def _resources(
        self,
        idle: int | None,
        full: int | None,
        before: Mapping[str, float],
        after: Mapping[str, float],
        generator: float,
        trial: Trial,
    ) -> Resources:
        passed = time.monotonic() - self.began
        used = {name: after[name] - before[name] for name in after}
        restarted = used["server"] < 0
        servers = [[one for one in sample.processes if one.role != "redis"] for sample in self.samples]
        connections = self.schedule.workload.connections
        delivered = trial.denominators.delivered
        own_cpu = used["server"] + used["redis"] + generator
        return Resources(
            server_cpu=None if restarted else used["server"] / passed,
            redis_cpu=None if used["redis"] < 0 else used["redis"] / passed,
            cpu_per_delivery=None if restarted or not delivered else used["server"] / delivered,
            rss_idle=idle,
            rss_full=full,
            rss_max=max((sum(one.rss for one in some) for some in servers if some), default=None),
            rss_per_connection=(full - idle) / connections if full and idle and connections else None,
            threads_max=max((sum(one.threads for one in some) for some in servers if some), default=None),
            fds_max=max((sum(one.fds or 0 for one in some) for some in servers if some), default=None),
            switches_per_second=_mean([sum(one.voluntary + one.involuntary for one in some) for some in servers]),
            scheduler_lag_p99=lag_p99(trial.counters),
            others_cpu=None if restarted else max(0.0, used["all"] - own_cpu) / passed,
        )


def _grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return what was counted in between; a server that was started anew began at zero."""
    return {
        name: value - before.get(name, 0.0) if value >= before.get(name, 0.0) else value
        for name, value in after.items()
        if math.isfinite(value)
    }


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


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
