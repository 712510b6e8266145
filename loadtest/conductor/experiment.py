"""A run: all trials of all contenders in interleaved, randomised blocks, written down as they go."""

import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest import circumstances
from loadtest.conductor.contender import Contender, settings
from loadtest.conductor.place import Place
from loadtest.conductor.trial import Course
from loadtest.outcome.judge import disturbed, judge
from loadtest.record.directory import RunWriter
from loadtest.record.models import Fairness, Phase, Plan, Run, Second, Setting, TargetRecord, Trial, Verdict
from loadtest.scenario import Scenario
from loadtest.schedule import Schedule
from stack.guard import GUARD
from stack.redis_binary import find_redis

WHY: Final[Mapping[str, str]] = {
    "CHAT_COMMAND_RATE": "the load is limited by the plan, not by the server",
    "CHAT_CONNECTION_RATE": "the load is limited by the plan, not by the server",
    "CHAT_THREADS": "a thread for every member, and some to spare",
    "CHAT_MAX_CONNECTIONS": "as threads and descriptors allow",
    "CHAT_MAX_CONNECTIONS_PER_USER": "as threads and descriptors allow",
    "CHAT_DRAIN_SECONDS": "a trial ends when it ends",
    "CHAT_PREPARED_FRAMES": "what the profile is about",
    "CHAT_WORKER": "what the profile is about",
    "CHAT_MAX_BATCH": "what the profile is about",
}

Seen = Callable[[str, int, Second | None, str], None]
"""Told of every second of every trial: label, repeat, the second (None before the plan begins), what goes on."""


@dataclass(frozen=True)
class Experiment:
    """What is to be done, decided before anything runs."""

    scenario: Scenario
    schedule: Schedule
    contenders: Sequence[Contender]
    repeats: int
    place: Place
    command: Sequence[str]
    out: Path
    patience: int = 0
    """how many trials may be made again because other programs disturbed them"""

    @property
    def order(self) -> list[tuple[int, Contender]]:
        """Blocks of one trial each, shuffled within: what changes slowly meets all alike."""
        dice = random.Random(f"order {self.schedule.seed}")
        return [
            (repeat, one)
            for repeat in range(self.repeats)
            for one in dice.sample(list(self.contenders), len(self.contenders))
        ]

    def run(self, seen: Seen) -> tuple[Path, Verdict]:
        """Make all trials. An interrupt leaves a directory that is valid and says that it was interrupted."""
        path = self._path()
        with RunWriter(path) as writer, _work_dir() as work_dir:
            run = self._record(path.name)
            plan = plan_of(self.scenario, self.schedule)
            writer.write("run.json", run)
            writer.write("plan.json", plan)
            writer.write("fairness.json", self._fairness())
            writer.write_environment(self._environment())
            trials: list[Trial] = []
            interrupted = False
            try:
                self._make(trials, writer, work_dir, seen)
            except KeyboardInterrupt:
                interrupted = True
            verdict = judge(run, plan, trials, interrupted=interrupted)
            run.ended, run.status = time.time(), "interrupted" if interrupted else "complete"
            writer.write("verdict.json", verdict)
            writer.write("run.json", run)
        return path, verdict

    def _make(self, trials: list[Trial], writer: RunWriter, work_dir: Path, seen: Seen) -> None:
        """Make all trials, and add them to ``trials``. What other programs made void is made again, a few times."""
        patience = self.patience
        for block, contender in self.order:
            while True:
                repeat = sum(trial.label == contender.label for trial in trials)
                trial = self._course(contender, repeat, block, writer, work_dir, seen).run()
                again = patience > 0 and disturbed(trial)
                if again:
                    trial.status = "disturbed"
                    patience -= 1
                trials.append(trial)
                writer.append("trials.jsonl", trial)
                if trial.conformance:
                    return
                if not again:
                    break

    def _course(
        self, contender: Contender, repeat: int, block: int, writer: RunWriter, work_dir: Path, seen: Seen
    ) -> Course:
        return Course(
            contender,
            self.schedule,
            repeat,
            block,
            self.place,
            writer,
            work_dir,
            lambda second, what: seen(contender.label, repeat, second, what),
        )

    def _path(self) -> Path:
        stem = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{self.scenario.name}-{self.schedule.seed}"
        for number in range(1, 100):
            path = self.out / (stem if number == 1 else f"{stem}-{number}")
            if not path.exists():
                return path
        raise FileExistsError(stem)

    def _record(self, id_: str) -> Run:
        return Run(
            id=id_,
            scenario=self.scenario.name,
            question=self.scenario.part("Question"),
            hypothesis=self.scenario.part("Hypothesis"),
            picture=self.scenario.part("Picture"),
            command=list(self.command),
            began=time.time(),
            status="running",
            seed=self.schedule.seed,
            repeats=self.repeats,
            targets=[
                TargetRecord(label=one.label, target=one.name, title=one.title, model=one.model)
                for one in self.contenders
            ],
            order=[one.label for _, one in self.order],
            objectives=list(self.scenario.objectives),
            expectations=list(self.scenario.expects) if self._of_its_size else [],
            answer=self.scenario.answer,
        )

    @property
    def _of_its_size(self) -> bool:
        """Whether it is the scenario that was declared, but for its length."""
        own, now = self.scenario.workload, self.schedule.workload
        return (own.most_connections, own.highest_rate) == (now.most_connections, now.highest_rate)

    def _environment(self) -> dict[str, str]:
        generators = frozenset(cpu for cpu in self.place.generator_cpus if cpu is not None)
        known = circumstances.machine(self.place.server_cpus, generators or None)
        if any(one.ours for one in self.contenders):
            known["Redis"] = circumstances.redis(find_redis())
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return known | {"descriptors": f"{files:,} per process"}

    def _fairness(self) -> Fairness:
        workload = self.schedule.workload
        by_label = {one.label: settings(one, workload) for one in self.contenders}
        names = sorted({name for values in by_label.values() for name in values})
        rows = [
            _row("target", {one.label: one.title for one in self.contenders}, "what is compared"),
            _row("plan", dict.fromkeys(by_label, f"the same, seed {self.schedule.seed}")),
            _row("generator", dict.fromkeys(by_label, self.place.described)),
            _row("CPUs of the server and its Redis", dict.fromkeys(by_label, _cpus(self.place.server_cpus))),
            _row("permessage-deflate", dict.fromkeys(by_label, "not offered")),
            _row("Redis", {one.label: "one of its own, empty" if one.ours else "none" for one in self.contenders}),
        ]
        for name in names:
            values = {one.label: by_label[one.label].get(name, _unset(one)) for one in self.contenders}
            rows.append(_row(name, values, WHY.get(name, "asked for by the scenario")))
        return Fairness(settings=rows)


def plan_of(scenario: Scenario, schedule: Schedule) -> Plan:
    """Return the record of a schedule."""
    return Plan(
        scenario=scenario.name,
        seed=schedule.seed,
        workload=schedule.workload.as_json(),
        phases=[
            Phase(
                name=window.phase.name,
                begin=window.begin,
                end=window.end,
                rate=max(window.phase.rate, window.phase.end_rate or 0.0),
                connections=window.connections,
                measured=window.phase.measured,
            )
            for window in schedule.windows
        ],
        duration=schedule.workload.duration,
        connections=schedule.workload.most_connections,
        posts=schedule.posts,
        actions=len(schedule.actions),
        digest=schedule.digest(),
    )


def _unset(contender: Contender) -> str:
    """What is said of a setting that was not given."""
    return "default" if contender.ours else "not known" if contender.target is None else "none"


def _row(name: str, values: dict[str, str], why: str = "") -> Setting:
    return Setting(name=name, values=values, equal=len(set(values.values())) == 1, why=why)


def _cpus(cpus: frozenset[int] | None) -> str:
    return "all, not pinned" if cpus is None else ", ".join(map(str, sorted(cpus)))


@contextmanager
def _work_dir() -> Iterator[Path]:
    """A directory for Redis's data: gone when the run is, however it ends."""
    path = Path(tempfile.mkdtemp(prefix="tandem-run-"))
    GUARD.remove(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
