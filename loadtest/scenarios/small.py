"""Ten to two hundred people: does the choice matter at all?

Question: with few users who talk as people do, can anybody tell the two backends apart?
Hypothesis: no. Both deliver within milliseconds and use a few percent of a CPU; who chooses at this size should choose
by what the team knows.
Picture: at each step both lines lie on each other, far below the objective; every comparison says "no detectable
difference", and there is no crossover.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, p99_within
from loadtest.workload import Phase, Workload

STEPS = (10, 50, 100, 200)
"""People, of whom each says something every five seconds."""

SCENARIO = Scenario(
    name="small",
    doc=__doc__,
    workload=Workload(
        connections=STEPS[0],
        rooms=5,
        phases=tuple(
            phase
            for people in STEPS
            for phase in (
                Phase(f"to {people}", 0.5, rate=people / 5, connections=people, measured=False),
                Phase(f"{people} people", 2.5, rate=people / 5, connections=people),
            )
        ),
    ),
    objectives=(NOTHING_BROKEN, p99_within(0.1)),
    repeats=5,
    expects=(
        expect("within milliseconds", "delivery_p99", at_most=0.02),
        expect("a few percent of a CPU", "server_cpu", at_most=0.1),
        expect("nobody can tell them apart", "differences", at_most=0),
    ),
)
