"""A target set up to be measured: started on its own CPU with an empty Redis, warmed, and driven step by step."""

import os
import shutil
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from loadtest.bench.results import DISTURBED, OBJECTIVE, QUIET_RATE, Step
from loadtest.generator import Generator, Offered
from loadtest.ledger import Ledger
from loadtest.plan import Post, Shape, make_plan
from loadtest.sampler import Usage, busy_seconds, usage
from loadtest.targets import HOST, AnyServer, Target, headers, make_server
from stack.redis import RedisServer

WARM_UP: Final = 0.2
"""The part of a step whose deliveries count, but not as latency."""
CALM: Final = 0.5
"""Seconds of each look at the other processes."""
ATTEMPTS: Final = 2
"""How often a repeat is tried, where more than the server had a part in what was found."""
UNHURRIED: Final = 10.0
"""Seconds: the objective of steps that are compared. They go to their end, where a search would have seen enough."""
WARM: Final = Shape("warm", "a first few, so that nothing is loaded while something is measured", 1, 4, 4)

Report = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """``duration`` is seconds per step; ``server_cpus`` and ``generator_cpus`` are None where nothing is pinned.

    ``steps`` is how many, beside the quiet one, are offered to find a rate.
    """

    duration: float
    steps: int
    seed: int
    work_dir: Path
    server_cpus: frozenset[int] | None
    generator_cpus: frozenset[int] | None


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


class Rig:
    """A target that runs; ``redis`` is None for one that uses none."""

    def __init__(self, target: Target, server: AnyServer, redis: RedisServer | None, options: Options) -> None:
        self.target = target
        self.server = server
        self.redis = redis
        self.options = options

    @property
    def address(self) -> tuple[str, int]:
        return HOST, self.server.port

    def headers(self) -> dict[str, str]:
        """Return the headers of a handshake, of a user of its own."""
        return dict(headers(self.target, time.time()))

    def generator(self, shape: Shape, prefix: str, ledger: Ledger) -> Generator:
        return Generator(self.address, shape, prefix, ledger, lambda _: self.headers())

    def usage(self) -> Usage:
        """Return what the server has used so far, without its Redis."""
        return usage(self.server.pids())

    def cpu(self) -> Cpu:
        pinned = (self.options.server_cpus or frozenset()) | (self.options.generator_cpus or frozenset())
        redis = usage(self.redis.pids() if self.redis else []).cpu
        return Cpu(self.usage().cpu, redis, time.process_time(), busy_seconds(pinned or None))

    def warm(self) -> None:
        """Have a few people talk for a moment in a room that is not looked at. Raises GeneratorError."""
        with self.generator(WARM, "warm", Ledger(OBJECTIVE)) as generator:
            self.enter(generator)
            generator.run(make_plan(WARM, QUIET_RATE, 0.5, self.options.seed, "w"), 0.0)

    def enter(self, generator: Generator) -> None:
        """Open and join all, and wait until what that caused has passed. Raises GeneratorError."""
        generator.open(patience(generator.shape))
        generator.join(patience(generator.shape))
        generator.wait_quiet(1.0, 10.0)

    def wait_calm(self, generator: Generator, patience: float) -> float:
        """Wait until other processes leave the CPUs alone, ``patience`` seconds at most; returns the seconds spent."""
        began = time.monotonic()
        while time.monotonic() - began < patience:
            before = self.cpu()
            generator.idle(CALM)
            if self.cpu().others(before) < DISTURBED * CALM:
                break
        return time.monotonic() - began

    def step(self, generator: Generator, rate: float, duration: float, seed: int, label: str) -> Step:
        """Offer ``rate`` messages a second for ``duration`` seconds; ``label`` differs from step to step."""
        plan = make_plan(generator.shape, rate, duration, seed, label)
        return self.offer(generator, plan, rate, WARM_UP * duration)

    def offer(self, generator: Generator, plan: Sequence[Post], rate: float, warm_up: float) -> Step:
        """Offer ``plan``, which is ``rate`` messages a second, and wait until all is delivered."""
        ledger = generator.ledger
        delivered, counts, before = ledger.delivered, Counter(ledger.faults.counts()), self.cpu()
        offered = generator.run(plan, warm_up)
        step = _found(rate, offered, ledger, ledger.delivered - delivered, before, self.cpu())
        step.faults = dict(Counter(ledger.faults.counts()) - counts)
        return step

    def metric(self, name: str) -> float:
        """Return the value of a metric without labels, of one of our backends. Raises OSError."""
        with urllib.request.urlopen(f"http://{HOST}:{self.server.port}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        return sum(float(line.split()[1]) for line in lines if line.split(" ", 1)[0] == name)


def patience(shape: Shape) -> float:
    """Return the seconds that all of ``shape`` may take to get in."""
    return 30 + shape.connections * 0.03


@contextmanager
def started(target: Target, connections: int, options: Options) -> Iterator[Rig]:
    """Start the target, with an empty Redis of its own if it needs one; nothing of either is left afterwards."""
    data = options.work_dir / f"redis-{target.name}"
    with ExitStack() as stack:
        redis = None
        if target.profile is not None:
            stack.callback(shutil.rmtree, data, ignore_errors=True)
            redis = RedisServer(data, cpus=options.server_cpus)
            stack.callback(redis.kill)
            redis.start()
        url = redis.url if redis else ""
        server = make_server(target, connections, url, options.server_cpus, options.work_dir)
        stack.callback(server.stop, 2.0)
        server.start()
        yield Rig(target, server, redis, options)


@contextmanager
def pinned(cpus: frozenset[int] | None) -> Iterator[None]:
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
def clean_dir(path: Path) -> Iterator[None]:
    """An empty directory for data, removed afterwards."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


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
