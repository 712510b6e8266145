"""Some stop reading: do the others notice?

Question: a tenth of a room stops reading for five seconds. What happens to the deliveries of the others?
Hypothesis: nothing. Neither backend waits for a slow socket: what it does not take is queued up to a bound (256 KiB
here), then it is closed as slow, comes back, and gets what it missed from the log.
Picture: the p99 of those who read is flat through the stall; closes of code 1006 in the middle of it; deliveries that
came by resuming after it; nothing lost.
"""

from loadtest.scenario import Scenario, expect
from loadtest.workload import Phase, Stall, Workload

SCENARIO = Scenario(
    name="slow_consumer",
    doc=__doc__,
    workload=Workload(
        connections=100,
        speakers=20,
        words=(250, 350),
        phases=(Phase("before", 3, rate=80), Phase("stall", 6, rate=80), Phase("after", 4, rate=80)),
        stall=Stall(share=0.1, at=3, seconds=5),
        settings={"CHAT_OUTBOX_HARD": "262144"},
    ),
    expects=(
        expect("the others notice nothing", "delivery_p99", phase="stall", at_most=0.1),
        expect("it is closed as slow", "chat_slow_consumers_total", at_least=1),
        expect("nothing is lost", "lost", at_most=0),
    ),
)
