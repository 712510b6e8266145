"""People who keep moving: leave one room, join another.

Question: what do 30 moves a second cost, and does anything leak or get lost on the way?
Hypothesis: the same on both: a move is two commands and a page of history, and the work is Redis's and the core's.
Picture: equal p99; memory and threads flat; now and then a delivery late after a leave, which is allowed; nothing lost.
"""

from loadtest.scenario import Scenario, expect
from loadtest.workload import Phase, Workload

SCENARIO = Scenario(
    name="churn",
    doc=__doc__,
    workload=Workload(
        connections=200,
        rooms=20,
        moves=30,
        phases=(Phase("warm-up", 2, rate=40, measured=False), Phase("moving", 12, rate=40)),
    ),
    expects=(
        expect("the same on both", "delivery_p99", "sync", "async", at_least=0.5, at_most=2),
        expect("nothing is lost", "lost", at_most=0),
    ),
)
