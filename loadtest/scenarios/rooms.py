"""Many rooms, most of them small, in which people talk as people do.

Question: 300 people in 60 rooms, each saying something every five seconds: can they tell the backends apart?
Hypothesis: no practical difference: publishing, and so Redis, is most of the work, and it is the same on both.
Picture: curves that lie on each other; CPU of both below a third of a core.
"""

from loadtest.scenario import EVERYBODY_REACHED, NOTHING_BROKEN, Scenario, expect, p99_within
from loadtest.workload import Phase, Workload

SCENARIO = Scenario(
    name="rooms",
    doc=__doc__,
    workload=Workload(
        connections=300,
        rooms=60,
        sizes="zipf",
        phases=(Phase("warm-up", 2, rate=60, measured=False), Phase("talk", 10, rate=60)),
    ),
    objectives=(NOTHING_BROKEN, EVERYBODY_REACHED, p99_within(0.1)),
    expects=(
        expect("no practical difference", "delivery_p99", "sync", "async", at_least=0.5, at_most=2),
        expect("a third of a core", "server_cpu", at_most=0.33),
    ),
)
