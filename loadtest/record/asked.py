"""What was to be done, and what was done: the run, its plan, what was equal on all sides, events."""

from typing import Any, Literal

from pydantic import Field

from loadtest.record.base import Record


class Event(Record):
    """A line of ``events.jsonl``."""

    t: float
    at: float
    label: str
    repeat: int
    kind: Literal["phase", "fault", "note"]
    name: str
    until: float | None = None
    """when it ended, on the scale of ``t``; null for what has no length"""
    detail: str = ""


class Phase(Record):
    """A part of the plan whose figures are kept apart. Only ``measured`` ones are judged."""

    name: str
    begin: float
    end: float
    rate: float
    """messages per second"""
    connections: int
    """planned at its end"""
    measured: bool


class Plan(Record):
    """``plan.json``: what was to happen. The same workload and seed give the same actions, byte for byte."""

    format: Literal[1] = 1
    scenario: str
    seed: int
    workload: dict[str, Any]
    """as declared, with what the command line changed"""
    phases: list[Phase]
    duration: float
    connections: int
    posts: int
    actions: int
    digest: str
    """SHA-256 of the actions"""


class TargetRecord(Record):
    """One of what is compared."""

    label: str
    target: str
    """name of a profile or baseline, or an address"""
    title: str
    model: Literal["asgi", "wsgi", "other"]


class Objective(Record):
    """What a target must reach to pass."""

    name: str
    metric: str
    at_most: float | None = None
    at_least: float | None = None


class Expectation(Record):
    """A part of the hypothesis that can be looked up: a figure of one label, or how many times that of another."""

    text: str
    metric: str
    of: str
    """a label, or "each": then the worst of all counts"""
    over: str | None = None
    """the label by whose figure it is divided"""
    phase: str | None = None
    """null: of all measured phases together"""
    over_phase: str | None = None
    """the phase by whose figure it is divided"""
    at_most: float | None = None
    at_least: float | None = None


class Run(Record):
    """``run.json``: what this directory is. Written first, and again at the end."""

    format: Literal[1] = 1
    id: str
    scenario: str
    question: str
    hypothesis: str
    picture: str
    command: list[str]
    began: float
    ended: float | None = None
    status: Literal["running", "complete", "interrupted", "failed"]
    seed: int
    repeats: int
    targets: list[TargetRecord]
    order: list[str]
    """labels, in the order of the trials"""
    objectives: list[Objective]
    expectations: list[Expectation] = Field([])
    """what the hypothesis says, where the run is of the size of which it says it"""
    answer: str = "delivery_p99"
    """the figure that answers the question"""
    demo: bool = False
    """targets ran at the same time on shared CPUs: to look at, no evidence"""


class Setting(Record):
    """A row of the fairness ledger."""

    name: str
    values: dict[str, str]
    """by label"""
    equal: bool
    why: str = ""
    """it differs, or was set apart from its default"""


class Fairness(Record):
    """``fairness.json``: every setting on both sides."""

    settings: list[Setting]
