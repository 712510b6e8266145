"""The rates that targets hold in a shape, each a row of the table of fan-out. Several are searched side by side."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from loadtest.bench.report import progress
from loadtest.bench.results import OBJECTIVE, QUIET_RATE, Bench, Row
from loadtest.bench.rig import Options, Report, Rig, patience, started
from loadtest.bench.staircase import Staircase
from loadtest.bench.turns import attempted, in_turns
from loadtest.circumstances import describe
from loadtest.generator import Generator
from loadtest.ledger import Ledger
from loadtest.sampler import settled_usage
from loadtest.targets import TARGETS

PATIENCE: Final = 2
"""Steps that are offered again, of each target, since other processes disturbed them."""
ALONE: Final = 6
"""Steps at most of a target of which no ratio is promised."""

GUESSES: Final = {
    "one-500": {
        "fastapi-tutorial": 75,
        "flask-tutorial": 110,
        "node-ws": 200,
        "async-portable": 100,
        "async-uncoalesced": 280,
        "async": 3000,
        "sync": 2800,
        "sync-gevent": 2400,
        "null": 4800,
    },
    "200x5": {"fastapi-tutorial": 4500, "node-ws": 8000, "async": 3200, "sync": 3000, "sync-gevent": 3000},
    "1to1": {"fastapi-tutorial": 12000, "node-ws": 14000, "async": 300, "sync": 300, "sync-gevent": 300},
}
"""Messages a second that were held somewhere once: where to look first. A wrong guess costs steps, and does not change
what is found."""


def find_ceilings(rows: Sequence[Row], options: Options, bench: Bench, report: Report) -> None:
    """Fill ``rows``, of one shape: all servers run; one after the other is offered a step, again and again."""
    with ExitStack() as stack:
        climbs: dict[str, Climb] = {}
        for row in rows:
            attempted(row, report, partial(_begin, row, options, report, stack, climbs))
        for climb in climbs.values():
            bench.environment |= describe(climb.rig.redis)
        steps = options.steps if len(rows) > 1 else min(options.steps, ALONE)
        for turn, target in in_turns(list(climbs), 1 + steps):
            climb = climbs[target]
            if not (climb.over or climb.row.error):
                attempted(climb.row, report, partial(climb.step, options.seed + turn))


def _begin(row: Row, options: Options, report: Report, stack: ExitStack, climbs: "dict[str, Climb]") -> None:
    rig = stack.enter_context(started(TARGETS[row.target], row.shape.connections, options))
    rig.warm()
    ledger = Ledger(OBJECTIVE)
    row.faults = ledger.faults
    climb = Climb(row, rig, stack.enter_context(rig.generator(row.shape, "bench", ledger)), report)
    climb.enter()
    climbs[row.target] = climb


class Climb:
    """One row, being filled in."""

    def __init__(self, row: Row, rig: Rig, generator: Generator, report: Report) -> None:
        self.row = row
        self.rig = rig
        self.over = False
        self._generator = generator
        self._report = report
        self._staircase = Staircase(QUIET_RATE, GUESSES.get(row.shape.name, {}).get(row.target))
        self._patience = PATIENCE

    def enter(self) -> None:
        """Open and join; see what a handshake and an idle member cost. Raises GeneratorError."""
        generator, rig, connections = self._generator, self.rig, self._generator.shape.connections
        generator.idle(0.5)
        before = settled_usage(rig.server.pids, lambda: generator.idle(0.3), 5.0)
        generator.open(patience(generator.shape))
        opened = rig.usage()
        generator.join(patience(generator.shape))
        generator.wait_quiet(1.0, 10.0)
        after = settled_usage(rig.server.pids, lambda: generator.idle(0.5), 10.0)
        self.row.handshake_cpu = (opened.cpu - before.cpu) / connections
        self.row.memory_per_connection = (after.rss - before.rss) / connections
        self.row.threads = after.threads

    def step(self, seed: int) -> None:
        """Offer one rate, and choose the next. Raises GeneratorError where members who were closed cannot return."""
        staircase, generator = self._staircase, self._generator
        while True:
            generator.refill(30.0)
            step = self.rig.step(generator, staircase.rate, self.rig.options.duration, seed, f"s{len(self.row.steps)}")
            self.row.steps.append(step)
            self._report(progress(self.row, step))
            self.over = generator.ledger.faults.broken or not step.settled
            if self.over or step.held or not step.disturbed or not self._patience:
                break
            self._patience -= 1
            self.rig.wait_calm(generator, self.rig.options.duration)
        staircase.record(step.held)
        self.row.held_rate = staircase.estimate
