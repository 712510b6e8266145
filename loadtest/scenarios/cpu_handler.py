"""A careless handler computes for 20 ms, ten times a second.

Question: what do people in the chat notice of an HTTP handler that uses the CPU?
Hypothesis: both suffer. async stands still for 20 ms at a time; on sync the threads take turns every 5 ms, so that a
message waits for several switches, but rarely for all 20 ms.
Picture: p99 of both above that of `fanout`, that of async near 20 ms; CPU of both a fifth of a core higher.
"""

from loadtest.scenario import Scenario
from loadtest.workload import Diagnostics, Phase, Workload

SCENARIO = Scenario(
    name="cpu_handler",
    doc=__doc__,
    workload=Workload(
        connections=100,
        phases=(Phase("warm-up", 2, rate=50, measured=False), Phase("talk", 10, rate=50)),
        diagnostics=Diagnostics("burn", seconds=0.02, rate=10),
        settings={"CHAT_DIAGNOSTICS": "1"},
    ),
)
