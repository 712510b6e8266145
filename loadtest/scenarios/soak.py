"""Four minutes of the same: does anything grow?

Question: do memory, threads or latency drift while nothing changes?
Hypothesis: no. Logs are bounded, rooms are forgotten, what was delivered is let go.
Picture: flat lines of memory and p99 over the whole width; their slopes are noise. Run it for hours with --duration.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, no_worse_than
from loadtest.workload import Phase, Workload

SCENARIO = Scenario(
    name="soak",
    doc=__doc__,
    workload=Workload(
        connections=200,
        rooms=20,
        moves=2,
        cuts=1,
        phases=(Phase("warm-up", 60, rate=100, measured=False), Phase("steady", 180, rate=100)),
    ),
    objectives=(NOTHING_BROKEN, no_worse_than("rss_slope", "memory does not grow by more per minute", 2_000_000)),
    expects=(expect("memory does not grow", "rss_slope", at_most=2_000_000),),
    answer="rss_slope",
)
