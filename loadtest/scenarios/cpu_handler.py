"""A careless handler computes for 20 ms, ten times a second.

Question: what do people in the chat notice of an HTTP handler that uses the CPU?
Hypothesis: both suffer. async stands still for 20 ms at a time; on sync the threads take turns every 5 ms, so that a
message waits for several switches, but rarely for all 20 ms.
Picture: both low for four seconds; then p99 of async near 20 ms, that of sync below; CPU of both a fifth of a core
higher.
"""

from loadtest.scenario import Scenario, expect
from loadtest.workload import Diagnostics, Phase, Workload

SCENARIO = Scenario(
    name="cpu_handler",
    doc=__doc__,
    workload=Workload(
        connections=100,
        phases=(Phase("quiet", 4, rate=50), Phase("computing", 10, rate=50)),
        diagnostics=Diagnostics("burn", seconds=0.02, rate=10, at=4),
        settings={"CHAT_DIAGNOSTICS": "1"},
    ),
    expects=(
        expect("async stands still", "delivery_p99", "async", phase="computing", at_least=0.015),
        expect("sync is late, but less", "delivery_p99", "sync", "async", phase="computing", at_most=1),
    ),
)
