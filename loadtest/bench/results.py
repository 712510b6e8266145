"""What was found, as data: everything that the report says is computed from this, and this is what the JSON holds."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Final

from loadtest.ledger import Faults
from loadtest.plan import Shape

OBJECTIVE: Final = 0.1
"""Seconds that 99 % of deliveries may take, from when the message was meant to be sent."""
BUSY_GENERATOR: Final = 0.9
LATE_GENERATOR: Final = 0.02
"""Part of its CPU, and seconds of the 99th percentile of its own lateness: beyond, the generator is the limit."""
DISTURBED: Final = 0.1
"""Part of a CPU used by other processes, above which a step says little of the server."""
QUIET_RATE: Final = 50.0
"""Messages a second at which all targets are compared."""


@dataclass(slots=True)
class Step:
    """One rate, offered for some seconds. CPU is in seconds, also of the drain that followed."""

    rate: float
    planned: int
    sent: int
    deliveries: int
    offering: float
    elapsed: float
    p50: float
    p99: float
    longest: float
    measured: int
    """Deliveries of which the latency was measured."""
    late: int
    lag_p99: float
    generator_busy: float
    server_cpu: float
    redis_cpu: float
    others_cpu: float
    """What other processes used of the same CPUs: they disturbed the step."""
    given_up: bool
    settled: bool
    faults: dict[str, int]
    """What the ledger noted in this step."""

    @property
    def held(self) -> bool:
        """Whether the objective was reached with everything delivered."""
        return self.whole and self.p99 <= OBJECTIVE

    @property
    def whole(self) -> bool:
        """Whether everything was sent, acknowledged and delivered."""
        return self.settled and not self.given_up and not self.faults and self.sent == self.planned

    @property
    def generator_limited(self) -> bool:
        """Whether it was the generator that could do no more."""
        return self.generator_busy > BUSY_GENERATOR or self.lag_p99 > LATE_GENERATOR

    @property
    def others_busy(self) -> float:
        """Part of one CPU that other processes used."""
        return self.others_cpu / self.elapsed if self.elapsed else 0.0

    @property
    def disturbed(self) -> bool:
        """Whether other processes may be why it was missed."""
        return self.others_busy > DISTURBED

    @property
    def fair(self) -> bool:
        """Whether what was found is the server's doing alone."""
        return not (self.disturbed or self.generator_limited)

    @property
    def deliveries_per_second(self) -> float:
        return self.deliveries / self.elapsed if self.elapsed else 0.0

    @property
    def server_busy(self) -> float:
        """Part of one CPU that the server and its Redis used."""
        return (self.server_cpu + self.redis_cpu) / self.elapsed if self.elapsed else 0.0


@dataclass(slots=True)
class Found:
    """What was found of one target in one shape."""

    target: str
    title: str
    kind: str
    shape: Shape
    steps: list[Step] = field(default_factory=list)
    handshake_cpu: float = math.nan
    """CPU seconds of the server per handshake."""
    memory_per_connection: float = math.nan
    """Bytes of resident memory per idle member."""
    threads: int = 0
    faults: Faults = field(default_factory=Faults)
    error: str = ""
    """Why there are no figures."""

    @property
    def broken(self) -> bool:
        """Whether a promise was broken, at whatever rate."""
        return self.faults.broken

    @property
    def deliveries(self) -> int:
        """The deliveries that were accounted for."""
        return sum(step.deliveries for step in self.steps)


@dataclass(slots=True)
class Row(Found):
    """One search for the highest rate that a target holds."""

    held_rate: float = 0.0
    """Messages a second that are held as often as missed; 0 where none was held."""
    quiet_rate: float = QUIET_RATE

    @property
    def quiet(self) -> Step | None:
        """The step at the rate at which every target is compared, if it was held."""
        return next((step for step in self.steps if step.rate == self.quiet_rate), None)

    @property
    def rate(self) -> float:
        """Deliveries a second at ``held_rate``."""
        return self.held_rate * self.shape.members

    @property
    def there(self) -> Step | None:
        """The step that was held nearest to ``held_rate``."""
        return self._nearest(held=True)

    @property
    def missed(self) -> Step | None:
        """The step that was missed nearest to ``held_rate``."""
        return self._nearest(held=False)

    def _nearest(self, *, held: bool) -> Step | None:
        steps = (step for step in self.steps if step.held == held)
        return min(steps, key=lambda step: abs(math.log(step.rate / (self.held_rate or step.rate))), default=None)

    @property
    def others_busy(self) -> float:
        """Part of one CPU that other processes used while the limit was found."""
        return max((step.others_busy for step in (self.there, self.missed) if step), default=0.0)

    @property
    def lower_bound(self) -> bool:
        """Whether it was the generator, or other processes, in at least half of the steps that were missed."""
        unfair = [not step.fair for step in self.steps if not step.held]
        return 2 * sum(unfair) >= len(unfair)


@dataclass(slots=True)
class Repeats(Found):
    """The quiet rate again and again, each step by a server of its own, in turns with the other targets."""

    @property
    def p99s(self) -> list[float]:
        return [step.p99 for step in self.steps]


@dataclass(slots=True)
class Reach(Found):
    """As many members in one room as there may be, and a few messages to all of them."""

    wanted: int = 0
    limit: str = ""
    """What allowed no more members than these, if they are fewer than wanted."""
    first_handshake_cpu: float = math.nan
    last_handshake_cpu: float = math.nan
    """CPU seconds of the server per handshake, of the first and of the last tenth."""

    @property
    def longest(self) -> float:
        """Seconds from when a message was meant to be sent until the last member had it, of the slowest message."""
        return max((step.longest for step in self.steps), default=math.nan)

    @property
    def whole(self) -> bool:
        """Whether every message reached everybody."""
        return bool(self.steps) and all(step.whole for step in self.steps)


@dataclass(slots=True)
class StallRun:
    """One repeat. ``closed`` is the server's own count of slow consumers, ``memory`` by how many bytes its resident
    memory had grown at most, ``resumed`` the members that came back and had everything once and in order."""

    stalled: int
    step: Step
    memory: int
    closed: int = 0
    resumed: int = 0
    queued: int = 0
    """Bytes that the bounds allow all stalled members to have queued."""


@dataclass(slots=True)
class Stall(Found):
    """A room in which some members do not read, in turns with the same room without them."""

    runs: list[StallRun] = field(default_factory=list)

    @property
    def deliveries(self) -> int:
        return sum(run.step.deliveries for run in self.runs)

    def p99s(self, stalled: bool) -> list[float]:
        """Return the 99th percentiles of those who read, of the runs with or without ``stalled`` members."""
        return [run.step.p99 for run in self.runs if bool(run.stalled) == stalled]


@dataclass(slots=True)
class Bench:
    """Tables: what was found in one run, on one machine."""

    began: str
    environment: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    repeats: list[Repeats] = field(default_factory=list)
    stalls: list[Stall] = field(default_factory=list)
    reaches: list[Reach] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def found(self) -> list[Found]:
        """Everything that was found, of every kind."""
        return [*self.rows, *self.repeats, *self.stalls, *self.reaches]

    @property
    def failed(self) -> bool:
        return any(found.broken or found.error for found in self.found)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values; numbers that do not exist are None."""
        plain = dataclasses.asdict(self)
        for row, found in zip(plain["rows"], self.rows, strict=True):
            row["lower_bound"], row["broken"] = found.lower_bound, found.broken
            row["held_deliveries_per_second"] = found.rate
            for step, measured in zip(row["steps"], found.steps, strict=True):
                step["held"], step["generator_limited"] = measured.held, measured.generator_limited
        exact: dict[str, Any] = without_nan(plain)
        return exact


def without_nan(value: Any) -> Any:
    """Return ``value`` with None for every number that JSON does not have."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
