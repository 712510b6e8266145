"""As many members in one room as the machine allows, and what a message to all of them takes."""

from dataclasses import replace
from typing import Final

from loadtest.bench.capacity import most_members
from loadtest.bench.results import Reach
from loadtest.bench.rig import Options, Report, Rig, patience, started
from loadtest.bench.verdicts import REACH
from loadtest.generator import Generator
from loadtest.ledger import Ledger
from loadtest.plan import Post, Shape
from loadtest.sampler import settled_usage
from loadtest.targets import Target

MANY: Final = Shape("10k", "one room of 10,000", 1, 10_000, 10_000)
MESSAGES: Final = 5
APART: Final = 1.0
"""Seconds between two messages: each has the server to itself."""
THREADED: Final = frozenset({"sync", "flask-tutorial"})
PARTS: Final = 10
"""The first and the last of so many parts are compared: whether a handshake costs more the more members there are."""


def measure_reach(found: Reach, target: Target, options: Options, report: Report) -> None:
    """Fill ``found``, whose shape is what is wanted and becomes what is possible. Raises GeneratorError where the
    members cannot get in."""
    found.wanted = found.shape.members
    members, found.limit = most_members(found.wanted, target.name in THREADED)
    found.shape = possible = replace(found.shape, members=members, speakers=members)
    ledger = Ledger(REACH)
    found.faults = ledger.faults
    with started(target, members, options) as rig:
        rig.warm()
        with rig.generator(possible, "all", ledger) as generator:
            _fill(found, rig, generator)
            rig.wait_calm(generator, 5.0)
            for number in range(MESSAGES):
                speaker = number * members // MESSAGES
                post = Post(0.1, speaker, f"all-{number}", f"message {number} to all of you")
                found.steps.append(rig.offer(generator, [post], 1 / APART, 0.0))
                generator.idle(APART)
    report(f"  {target.name:<18} {members:,} members: the last one had the slowest message after {found.longest:.3f} s")


def _fill(found: Reach, rig: Rig, generator: Generator) -> None:
    before = settled_usage(rig.server.pids, lambda: generator.idle(0.3), 5.0)
    members = generator.shape.members
    cpu, costs = before.cpu, []
    for part in range(PARTS):
        numbers = range(part * members // PARTS, (part + 1) * members // PARTS)
        generator.open(patience(generator.shape), numbers)
        now = rig.usage().cpu
        costs.append((now - cpu) / max(1, len(numbers)))
        cpu = now
    found.first_handshake_cpu, found.last_handshake_cpu = costs[0], costs[-1]
    found.handshake_cpu = (cpu - before.cpu) / members
    generator.join(patience(generator.shape))
    generator.wait_quiet(1.0, 10.0)
    after = settled_usage(rig.server.pids, lambda: generator.idle(0.5), 10.0)
    found.memory_per_connection = (after.rss - before.rss) / members
    found.threads = after.threads
