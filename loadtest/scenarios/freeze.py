"""The server stands still for two seconds: who would have noticed?

Question: what does a tool report of a standstill that waits for each message before it sends the next?
Hypothesis: nearly nothing: one slow message among hundreds. Counted from when each message was meant to be sent, a
sixth of all messages were late. This is coordinated omission, shown on the same run.
Picture: the latency curve of deliveries rises to two seconds at 90 %, the faint one of a closed loop only at its very
end; one spike in the time series.
"""

from loadtest.scenario import EVERYBODY_REACHED, NOTHING_BROKEN, Scenario, expect
from loadtest.workload import Fault, Phase, Workload

SCENARIO = Scenario(
    name="freeze",
    doc=__doc__,
    workload=Workload(
        connections=50,
        speakers=1,
        arrivals="constant",
        phases=(Phase("talk", 12, rate=100),),
        faults=(Fault(5, "freeze server", 2),),
    ),
    objectives=(NOTHING_BROKEN, EVERYBODY_REACHED),
    expects=(
        expect("late, from when it was meant", "delivery_p99", at_least=1.5),
        expect("nearly nothing in a closed loop", "uncorrected_p99", at_most=0.1),
    ),
)
