"""A careless handler sleeps for 50 ms, five times a second.

Question: what do people in the chat notice of an HTTP handler that blocks?
Hypothesis: here async loses. On the event loop nothing else runs meanwhile: every message that arrives in those 50 ms
waits. On sync it is one thread's own business.
Picture: delivery p99 of async at 50 ms or more, with a scheduler lag to match; that of sync as without the handler.
"""

from loadtest.scenario import Scenario
from loadtest.workload import Diagnostics, Phase, Workload

SCENARIO = Scenario(
    name="blocking_handler",
    doc=__doc__,
    workload=Workload(
        connections=100,
        phases=(Phase("quiet", 4, rate=50), Phase("talk", 10, rate=50)),
        diagnostics=Diagnostics("block", seconds=0.05, rate=5),
        settings={"CHAT_DIAGNOSTICS": "1"},
    ),
)
