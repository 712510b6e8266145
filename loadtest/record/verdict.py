"""``verdict.json``: what follows from the other files."""

from typing import Annotated, Literal

from pydantic import Field

from loadtest.record.base import Record


class Judged(Record):
    """An objective, for one label: the median over its repeats."""

    label: str
    name: str
    metric: str
    value: float | None
    limit: str
    held: bool


class Checked(Record):
    """An expectation, and what was found."""

    text: str
    found: str
    expected: str
    held: bool | None
    """null: it could not be seen in this run"""


class Compared(Record):
    """One figure of two labels: the ratio b / a, its 95 % interval, and what follows."""

    metric: str
    phase: str | None
    a: str
    b: str
    value_a: float | None
    value_b: float | None
    ratio: float | None
    low: float | None
    high: float | None
    finding: Literal["difference", "no detectable difference", "not enough repeats", "not measured", "within noise"]
    better: str | None
    """label, where there is a difference"""


class Capacity(Record):
    """The highest phase of a stepped run that reached the objectives."""

    label: str
    phase: str | None
    rate: float | None
    connections: int | None
    deliveries_per_second: float | None
    limit: str


class Crossover(Record):
    """From which phase on one label is better in a metric."""

    metric: str
    phase: str | None
    better: str | None
    text: str


class Verdict(Record):
    """``verdict.json``: follows from the other files; `replay` computes it again."""

    format: Literal[1] = 1
    validity: Literal["valid", "void"]
    reasons: list[str]
    """why it is void"""
    outcome: Literal["pass", "missed", "void", "nonconforming", "interrupted"]
    exit_code: Annotated[int, Field(ge=0, le=130)]
    headline: str
    """one line; says no figure where the run is void"""
    objectives: list[Judged]
    hypothesis: list[Checked] = Field([])
    """whether the run confirmed it; does not count for the outcome"""
    stopped_by: dict[str, str]
    """by label"""
    comparisons: list[Compared]
    noise: list[Compared]
    """the same target against itself"""
    capacity: list[Capacity]
    crossover: list[Crossover]
