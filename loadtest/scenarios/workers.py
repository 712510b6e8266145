"""Two workers on one listener: does the kernel deal fairly?

Question: how evenly do connections spread over two processes that accept from the same socket?
Hypothesis: not evenly. Whoever is awake first takes them; async, whose loop sleeps in the same epoll, may take most of
a burst with one worker. It costs latency only when that one is near its limit.
Picture: connections per worker as two lines that are not one; p99 of both still low.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, p99_within
from loadtest.workload import Phase, Workload

SCENARIO = Scenario(
    name="workers",
    doc=__doc__,
    workload=Workload(
        connections=0,
        rooms=20,
        workers=2,
        phases=(Phase("fill", 4, connections=200), Phase("talk", 8, rate=50)),
    ),
    objectives=(NOTHING_BROKEN, p99_within(0.1)),
    expects=(
        expect("the connections are not dealt evenly", "imbalance", at_least=1.1),
        expect("it costs no latency", "delivery_p99", at_most=0.1),
    ),
    answer="imbalance",
)
