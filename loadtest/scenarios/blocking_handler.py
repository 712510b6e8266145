"""A careless handler sleeps for 50 ms, five times a second.

Question: what do people in the chat notice of an HTTP handler that blocks?
Hypothesis: here async loses. On the event loop nothing else runs meanwhile: every message that arrives in those 50 ms
waits. On sync it is one thread's own business.
Picture: both low for four seconds; then p99 of async at 50 ms or more, with a scheduler lag to match; that of sync as
before.
"""

from loadtest.scenario import Scenario, expect
from loadtest.workload import Diagnostics, Phase, Workload

SCENARIO = Scenario(
    name="blocking_handler",
    doc=__doc__,
    workload=Workload(
        connections=100,
        phases=(Phase("quiet", 4, rate=50), Phase("blocked", 10, rate=50)),
        diagnostics=Diagnostics("block", seconds=0.05, rate=5, at=4),
        settings={"CHAT_DIAGNOSTICS": "1"},
    ),
    expects=(
        expect("async stands still", "delivery_p99", "async", phase="blocked", at_least=0.04),
        expect("sync does not notice", "delivery_p99", "sync", phase="blocked", over_phase="quiet", at_most=2),
    ),
)
