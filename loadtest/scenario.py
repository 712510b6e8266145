"""What a scenario is: a question, a hypothesis that was written down before the run, and the workload that answers."""

import re
from dataclasses import dataclass
from typing import Any

from loadtest.record.models import Expectation, Objective
from loadtest.workload import Workload

PART = re.compile(r"^(Question|Hypothesis|Picture): ", re.MULTILINE)


def p99_within(seconds: float) -> Objective:
    return Objective(name="99 % of deliveries in time", metric="delivery_p99", at_most=seconds)


def no_worse_than(metric: str, name: str, at_most: float) -> Objective:
    return Objective(name=name, metric=metric, at_most=at_most)


def expect(text: str, metric: str, of: str = "each", over: str | None = None, **rest: Any) -> Expectation:
    """Return a part of a hypothesis; ``rest`` are phase, over_phase, at_least and at_most."""
    return Expectation(text=text, metric=metric, of=of, over=over, **rest)


NOTHING_BROKEN = Objective(name="nothing lost, doubled, out of order or corrupt", metric="broken", at_most=0)
EVERYBODY_REACHED = Objective(name="every intended delivery made", metric="reach", at_least=1.0)


@dataclass(frozen=True)
class Scenario:
    """``doc`` is the docstring of its module: a title, then Question, Hypothesis, Picture. ``targets`` are measured
    unless others are named; ``repeats`` are made where several are compared."""

    name: str
    doc: str
    workload: Workload
    objectives: tuple[Objective, ...] = (NOTHING_BROKEN, p99_within(0.1))
    targets: tuple[str, ...] = ("async", "sync")
    repeats: int = 1
    expects: tuple[Expectation, ...] = ()
    """the hypothesis as figures, so that the report can say whether it was right"""
    answer: str = "delivery_p99"
    """the figure that answers the question"""

    @property
    def title(self) -> str:
        return self.doc.strip().splitlines()[0]

    def part(self, name: str) -> str:
        """Return the paragraph that begins with ``name``: Question, Hypothesis or Picture."""
        pieces = PART.split(self.doc)
        found = dict(zip(pieces[1::2], pieces[2::2], strict=True))
        text = " ".join(found.get(name, "").split())
        return text if text[1:2].isdigit() else text[:1].upper() + text[1:]  # "p99" stays as it is
