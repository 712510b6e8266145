"""Networks that come and go: twenty sockets a second are cut and come back.

Question: does everybody get everything, exactly once, though their connections break all the time?
Hypothesis: yes, on both: a member that is back within the log's retention gets what it missed. The price is a
handshake, which is dearer on sync.
Picture: a steady line of deliveries by resuming; p99 about as long as people were away; nothing lost or doubled.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, p99_within
from loadtest.workload import Phase, Workload

SCENARIO = Scenario(
    name="jitter",
    doc=__doc__,
    workload=Workload(
        connections=150,
        rooms=10,
        cuts=20,
        phases=(Phase("unsteady", 12, rate=40),),
    ),
    objectives=(NOTHING_BROKEN, p99_within(5.0)),
    expects=(
        expect("nobody lacks anything", "lost", at_most=0),
        expect("a handshake is dearer on sync", "handshake_p50", "sync", "async", at_least=1),
    ),
)
