"""People who are connected and say nothing: what does one cost?

Question: how much memory, how many threads and how much CPU does a connection take that does nothing?
Hypothesis: sync pays a thread each, async an object each: memory per connection differs by less than two, threads by
all of them. Pings aside, neither uses CPU.
Picture: the threads of sync stand at the number of members, those of async at one or two; both CPU lines on the floor;
memory flat after the members are in.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, no_worse_than
from loadtest.workload import Phase, Workload

SCENARIO = Scenario(
    name="idle",
    doc=__doc__,
    workload=Workload(connections=500, rooms=50, phases=(Phase("hold", 10),)),
    objectives=(NOTHING_BROKEN, no_worse_than("server_cpu", "an idle server is idle", 0.25)),
    expects=(
        expect("memory is alike", "rss_per_connection", "sync", "async", at_least=0.5, at_most=2),
        expect("threads are not", "threads_max", "sync", "async", at_least=50),
        expect("neither uses CPU", "server_cpu", at_most=0.1),
    ),
    answer="rss_per_connection",
)
