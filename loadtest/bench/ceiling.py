"""The highest rate that a target holds in a shape: one row of the table of fan-out."""

from typing import Final

from loadtest.bench.report import progress
from loadtest.bench.results import OBJECTIVE, QUIET_RATE, Row, Step
from loadtest.bench.rig import Report, Rig, patience
from loadtest.bench.search import Search
from loadtest.generator import Generator
from loadtest.ledger import Ledger
from loadtest.sampler import settled_usage

IDLE_HEADROOM: Final = 0.85
"""A step missed while the server used less of its CPU than this is offered once more: something else disturbed it."""
NARROWLY: Final = 2.0
"""So is one that was missed by no more than this times the objective: the machine may have stood still."""
PATIENCE: Final = 4
"""Durations of a step that a row may spend on waiting for other processes to use less than DISTURBED of a CPU, and on
repeating what they disturbed."""

GUESSES: Final = {
    "one-500": {
        "fastapi-tutorial": 70,
        "flask-tutorial": 110,
        "node-ws": 160,
        "async-portable": 70,
        "async-uncoalesced": 140,
        "async": 3600,
        "sync": 2400,
        "sync-gevent": 2800,
        "null": 9500,
    },
    "200x5": {
        "fastapi-tutorial": 4000,
        "flask-tutorial": 3400,
        "node-ws": 9000,
        "async": 3100,
        "sync": 2300,
        "sync-gevent": 3100,
    },
    "1to1": {"fastapi-tutorial": 10000, "node-ws": 20000, "async": 300, "sync": 300, "sync-gevent": 300},
}
"""Messages a second that were held somewhere once, or a little less: where to look first. A wrong guess costs steps,
and does not change what is found."""
COARSE: Final = frozenset({"one-5000", "1to1"})
"""Shapes whose highest rate nothing is claimed of: it is found less closely, and missed at once."""


class Ceiling:
    """One row, being filled in. ``guess`` is a rate that was held before, on this machine."""

    def __init__(self, row: Row, rig: Rig, report: Report, guess: float | None = None) -> None:
        self.row = row
        self._guess = guess or GUESSES.get(row.shape.name, {}).get(row.target)
        self._rig = rig
        self._report = report
        self._ledger = Ledger(OBJECTIVE)
        self._patience = PATIENCE * rig.options.duration
        self._coarse = row.shape.name in COARSE
        row.faults = self._ledger.faults

    def find(self) -> None:
        """Fill the row. Raises GeneratorError where the members cannot get in."""
        self._rig.warm()
        with self._rig.generator(self.row.shape, "bench", self._ledger) as generator:
            generator.idle(0.5)
            self._fill(generator)
            self._search(generator)

    def _fill(self, generator: Generator) -> None:
        """Open and join; see what a handshake and an idle member cost."""
        rig, connections = self._rig, generator.shape.connections
        before = settled_usage(rig.server.pids, lambda: generator.idle(0.3), 5.0)
        generator.open(patience(generator.shape))
        opened = rig.usage()
        generator.join(patience(generator.shape))
        generator.wait_quiet(1.0, 10.0)
        after = settled_usage(rig.server.pids, lambda: generator.idle(0.5), 10.0)
        self.row.handshake_cpu = (opened.cpu - before.cpu) / connections
        self.row.memory_per_connection = (after.rss - before.rss) / connections
        self.row.threads = after.threads

    def _search(self, generator: Generator) -> None:
        options = self._rig.options
        bisections = 0 if self._coarse else options.bisections
        search = Search(QUIET_RATE, bisections, self._guess)
        repeats = 0
        self._wait_calm(generator)
        while search.rate is not None:
            label = f"s{len(self.row.steps)}"
            step = self._rig.step(generator, search.rate, options.duration, options.seed, label)
            self.row.steps.append(step)
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
            return 1 if self._coarse else 2
        if step.generator_limited or self._coarse:
            return 0
        return int(step.server_busy < IDLE_HEADROOM or (step.whole and step.p99 <= NARROWLY * OBJECTIVE))

    def _wait_calm(self, generator: Generator) -> None:
        self._patience -= self._rig.wait_calm(generator, self._patience)
