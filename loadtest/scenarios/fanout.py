"""One speaker, one big room: who hears it first, and who last?

Question: how long does a message take to the first, the median and the last of 300 listeners?
Hypothesis: both make the bytes once and write them in one pass, so both reach the last listener a few milliseconds
after the first; the passes cost one system call per listener on either side, and sync pays some more for its locks.
Picture: two flat lines of p50 and p99 close to each other, a few milliseconds high; the last listener's curve above the
first one's by the length of a pass; a ledger of zeros.
"""

from loadtest.scenario import EVERYBODY_REACHED, NOTHING_BROKEN, Scenario, expect, p99_within
from loadtest.workload import Phase, Workload

SCENARIO = Scenario(
    name="fanout",
    doc=__doc__,
    workload=Workload(
        connections=300,
        speakers=1,
        phases=(Phase("warm-up", 2, rate=50, measured=False), Phase("talk", 10, rate=50)),
    ),
    objectives=(NOTHING_BROKEN, EVERYBODY_REACHED, p99_within(0.1)),
    repeats=1,
    expects=(
        expect("the last listener soon after the first", "last_p50", at_most=0.01),
        expect("sync pays some more", "cpu_per_delivery", "sync", "async", at_least=1, at_most=2),
    ),
)
