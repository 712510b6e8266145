"""The benchmark of fan-out: every target started, filled with members, and driven to the highest rate that it holds."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.baselines.node import InstallError
from loadtest.circumstances import describe
from loadtest.generator import Generator, GeneratorError, Offered
from loadtest.ledger import Ledger
from loadtest.plan import SHAPES, Shape, make_plan
from loadtest.report import progress
from loadtest.results import DISTURBED, OBJECTIVE, Bench, Row, Step
from loadtest.sampler import busy_seconds, settled_usage, usage
from loadtest.search import Search
from loadtest.targets import HOST, TARGETS, AnyServer, Target, headers, make_server
from stack.errors import StackError
from stack.redis import RedisServer

QUIET_RATE: Final = 50.0
"""Messages a second at which all targets are compared."""
WARM_UP: Final = 0.2
"""The part of a step whose deliveries count, but not as latency."""
IDLE_HEADROOM: Final = 0.85
"""A step missed while the server used less of its CPU than this is offered once more: something else disturbed it."""
PATIENCE: Final = 5
"""Durations of a step that a row may spend on waiting for other processes to use less than DISTURBED of a CPU, and on
repeating what they disturbed."""
CALM: Final = 0.5
"""Seconds of each look at the other processes."""
WARM: Final = Shape("warm", "a first few, so that nothing is loaded while memory is measured", 1, 4, 4)

FULL: Final = {
    "one-500": tuple(TARGETS),
    "one-5000": ("fastapi-tutorial", "node-ws", "async", "sync", "null"),
    "200x5": ("fastapi-tutorial", "flask-tutorial", "node-ws", "async", "sync", "sync-gevent"),
    "1to1": ("fastapi-tutorial", "flask-tutorial", "node-ws", "async", "sync", "sync-gevent"),
}
QUICK: Final = {"one-500": ("fastapi-tutorial", "node-ws", "async", "sync", "null")}

Report = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """``duration`` is seconds per step; ``server_cpus`` and ``generator_cpus`` are None where nothing is pinned."""

    duration: float
    bisections: int
    seed: int
    work_dir: Path
    server_cpus: frozenset[int] | None
    generator_cpus: frozenset[int] | None


def run(matrix: dict[str, Sequence[str]], options: Options, bench: Bench, report: Report) -> None:
    """Measure every target of every shape in ``matrix`` (names) and add the rows to ``bench`` as they are found."""
    began = time.monotonic()
    with _pinned(options.generator_cpus), _clean_dir(options.work_dir):
        for shape, targets in matrix.items():
            report(f"{SHAPES[shape].title}:")
            for target in targets:
                row = _measure(TARGETS[target], SHAPES[shape], options, bench, report)
                bench.rows.append(row)
                if row.error:
                    report(f"  {row.target:<18} {row.error}")
                bench.seconds = time.monotonic() - began


def _measure(target: Target, shape: Shape, options: Options, bench: Bench, report: Report) -> Row:
    row = Row(target.name, target.title, target.kind, shape, QUIET_RATE)
    try:
        with _started(target, shape, options) as (server, redis):
            bench.environment |= describe(redis)
            measurement = Measurement(row, server, redis, target, options, report)
            measurement.run()
    except (StackError, GeneratorError, InstallError) as error:
        row.error = str(error)
    return row


@contextmanager
def _started(target: Target, shape: Shape, options: Options) -> Iterator[tuple[AnyServer, RedisServer | None]]:
    """Start the target, with an empty Redis of its own if it needs one; nothing of either is left afterwards."""
    data = options.work_dir / "redis"
    with ExitStack() as stack:
        redis = None
        if target.profile is not None:
            stack.callback(shutil.rmtree, data, ignore_errors=True)
            redis = RedisServer(data, cpus=options.server_cpus)
            stack.callback(redis.kill)
            redis.start()
        url = redis.url if redis else ""
        server = make_server(target, shape.connections, url, options.server_cpus, options.work_dir)
        stack.callback(server.stop, 2.0)
        server.start()
        yield server, redis


class Measurement:
    """One row, being filled in."""

    def __init__(
        self,
        row: Row,
        server: AnyServer,
        redis: RedisServer | None,
        target: Target,
        options: Options,
        report: Report,
    ) -> None:
        self.row = row
        self._server = server
        self._redis = redis
        self._target = target
        self._options = options
        self._report = report
        self._ledger = Ledger(OBJECTIVE)
        self._patience = PATIENCE * options.duration
        row.faults = self._ledger.faults

    def run(self) -> None:
        """Fill the row. Raises GeneratorError where the members cannot get in."""
        with self._generator(WARM, "warm", Ledger(OBJECTIVE)) as generator:
            self._fill(generator)
            generator.run(make_plan(WARM, QUIET_RATE, 0.5, self._options.seed, "w"), 0.0)
        with self._generator(self.row.shape, "bench", self._ledger) as generator:
            generator.idle(0.5)
            self._fill(generator)
            self._search(generator)

    def _generator(self, shape: Shape, prefix: str, ledger: Ledger) -> Generator:
        address = (HOST, self._server.port)
        return Generator(address, shape, prefix, ledger, lambda number: headers(self._target, time.time()))

    def _fill(self, generator: Generator) -> None:
        """Open and join; see what a handshake and an idle member cost."""
        connections = generator.shape.connections
        before = settled_usage(self._server.pids, lambda: generator.idle(0.3), 5.0)
        generator.open(30 + connections * 0.03)
        opened = usage(self._server.pids())
        generator.join(30 + connections * 0.03)
        generator.wait_quiet(1.0, 10.0)
        after = settled_usage(self._server.pids, lambda: generator.idle(0.5), 10.0)
        self.row.handshake_cpu = (opened.cpu - before.cpu) / connections
        self.row.memory_per_connection = (after.rss - before.rss) / connections
        self.row.threads = after.threads

    def _search(self, generator: Generator) -> None:
        search = Search(QUIET_RATE, self._options.bisections)
        repeats = 0
        self._wait_calm(generator)
        while search.rate is not None:
            step = self._step(generator, search.rate)
            self._report(progress(self.row, step))
            generator.refill(30.0)
            if self._ledger.faults.broken or not step.settled:
                search.stop()
            elif step.held:
                search.hold(step.server_busy, step.p99 / OBJECTIVE)
                repeats = 0
            elif repeats < self._deserved_repeats(step):
                repeats += 1
                self._patience -= step.elapsed
                self._wait_calm(generator)
            else:
                search.miss()
                repeats = 0

    def _deserved_repeats(self, step: Step) -> int:
        """How often a missed step is offered again, because it may have been missed for no reason of the server's."""
        if self._patience <= 0:
            return 0
        if step.disturbed:
            return 2
        return 1 if step.server_busy < IDLE_HEADROOM and not step.generator_limited else 0

    def _wait_calm(self, generator: Generator) -> None:
        """Wait until other processes leave the CPUs alone, while there is patience left."""
        while self._patience > 0:
            before = self._cpu()
            generator.idle(CALM)
            self._patience -= CALM
            if self._cpu().others(before) < DISTURBED * CALM:
                return

    def _step(self, generator: Generator, rate: float) -> Step:
        options, ledger = self._options, self._ledger
        label = f"s{len(self.row.steps)}"
        plan = make_plan(self.row.shape, rate, options.duration, options.seed, label)
        delivered = ledger.delivered
        counts = Counter(ledger.faults.counts())
        before = self._cpu()
        offered = generator.run(plan, WARM_UP * options.duration)
        step = _found(rate, offered, ledger, ledger.delivered - delivered, before, self._cpu())
        step.faults = dict(Counter(ledger.faults.counts()) - counts)
        self.row.steps.append(step)
        return step

    def _cpu(self) -> "Cpu":
        pinned = (self._options.server_cpus or frozenset()) | (self._options.generator_cpus or frozenset())
        server, redis = usage(self._server.pids()).cpu, usage(self._redis.pids() if self._redis else []).cpu
        return Cpu(server, redis, time.process_time(), busy_seconds(pinned or None))


class Cpu(NamedTuple):
    """CPU seconds; ``all`` are those of everything on the CPUs in use."""

    server: float
    redis: float
    generator: float
    all: float

    def others(self, before: "Cpu") -> float:
        """Return what other processes have used since ``before``."""
        ours = self.server + self.redis + self.generator - before.server - before.redis - before.generator
        return max(0.0, self.all - before.all - ours)


def _found(rate: float, offered: Offered, ledger: Ledger, deliveries: int, before: Cpu, after: Cpu) -> Step:
    return Step(
        rate=rate,
        planned=offered.planned,
        sent=offered.sent,
        deliveries=deliveries,
        offering=offered.offering,
        elapsed=offered.elapsed,
        p50=ledger.latency.percentile(50),
        p99=ledger.latency.percentile(99),
        longest=ledger.latency.longest,
        measured=ledger.latency.count,
        late=ledger.late,
        lag_p99=offered.lag.percentile(99),
        generator_busy=offered.cpu / offered.offering,
        server_cpu=after.server - before.server,
        redis_cpu=after.redis - before.redis,
        others_cpu=after.others(before),
        given_up=offered.given_up,
        settled=offered.settled,
        faults={},
    )


@contextmanager
def _pinned(cpus: frozenset[int] | None) -> Iterator[None]:
    """Run this process on ``cpus`` only."""
    if cpus is None:
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextmanager
def _clean_dir(path: Path) -> Iterator[None]:
    """An empty directory for data, removed afterwards."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)
