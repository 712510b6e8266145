"""What was found, as data: everything that the report says is computed from this, and this is what the JSON holds."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
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
        whole = self.settled and not self.given_up and not self.faults and self.sent == self.planned
        return whole and self.p99 <= OBJECTIVE

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
    def deliveries_per_second(self) -> float:
        return self.deliveries / self.elapsed if self.elapsed else 0.0

    @property
    def server_busy(self) -> float:
        """Part of one CPU that the server and its Redis used."""
        return (self.server_cpu + self.redis_cpu) / self.elapsed if self.elapsed else 0.0


@dataclass(slots=True)
class Row:
    """One target in one shape."""

    target: str
    title: str
    kind: str
    shape: Shape
    quiet_rate: float
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
    def quiet(self) -> Step | None:
        """The step at the rate at which every target is compared, if it was held."""
        return next((step for step in self.steps if step.rate == self.quiet_rate), None)

    @property
    def sustained(self) -> Step | None:
        """The fastest step that was held."""
        return max((step for step in self.steps if step.held), key=lambda step: step.rate, default=None)

    @property
    def next_missed(self) -> Step | None:
        """The slowest step that was missed above the best one."""
        best = self.sustained
        missed = (step for step in self.steps if not step.held and (best is None or step.rate > best.rate))
        return min(missed, key=lambda step: step.rate, default=None)

    @property
    def others_busy(self) -> float:
        """Part of one CPU that other processes used while the limit was found."""
        return max((step.others_busy for step in (self.sustained, self.next_missed) if step), default=0.0)

    @property
    def lower_bound(self) -> bool:
        """Whether it was the generator, or other processes, that kept the rate from being higher."""
        best = self.sustained
        above = [step for step in self.steps if best is None or step.rate > best.rate]
        return all(step.generator_limited or step.disturbed for step in above)

    @property
    def broken(self) -> bool:
        """Whether a promise was broken, at whatever rate."""
        return self.faults.broken


@dataclass(slots=True)
class Bench:
    """A table: rows of one run, on one machine."""

    began: str
    environment: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return any(row.broken or row.error for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Return what ``save`` writes; numbers that do not exist are null."""
        plain = dataclasses.asdict(self)
        for row, found in zip(plain["rows"], self.rows, strict=True):
            best = found.sustained
            row["lower_bound"], row["broken"] = found.lower_bound, found.broken
            row["sustained_rate"] = best.rate if best else None
            row["sustained_deliveries_per_second"] = best.deliveries_per_second if best else None
            for step, measured in zip(row["steps"], found.steps, strict=True):
                step["held"], step["generator_limited"] = measured.held, measured.generator_limited
        exact: dict[str, Any] = _without_nan(plain)
        return exact

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=1, allow_nan=False) + "\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
