"""Faster and faster: which rate is held, and what does overload look like?

Question: how many messages a second does a room of 50 take until 99 % of deliveries take longer than 100 ms?
Hypothesis: both join what arrives while they write, so latency grows slowly for long; async goes further, since it
writes without a lock. Beyond its limit either of them queues, and loses nothing.
Picture: p99 flat over the first steps, then rising; deliveries/s rising with the offer up to the limit. The capacity
line names the last step held and what stopped it. As a whole it misses its objective: it goes beyond what is held.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, p99_within
from loadtest.workload import Phase, Workload

RATES = (400, 800, 1600, 2400, 3200, 4000, 4800)

SCENARIO = Scenario(
    name="ramp",
    doc=__doc__,
    workload=Workload(
        connections=50,
        phases=(
            Phase("warm-up", 2, rate=50, measured=False),
            *(Phase(f"{rate} a second", 3, rate=rate) for rate in RATES),
        ),
    ),
    objectives=(NOTHING_BROKEN, p99_within(0.1)),
    expects=(
        expect("async goes further", "capacity", "async", "sync", at_least=1.01),
        expect("overload loses nothing", "lost", at_most=0),
    ),
    answer="capacity",
)
