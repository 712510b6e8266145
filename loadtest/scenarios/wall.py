"""More people than threads: what do those see who do not fit?

Question: sync has 100 threads here, of which 84 are for sockets. What happens to connection number 85, and to HTTP?
Hypothesis: it is refused at once with 503 and Retry-After, not kept waiting in silence, and /healthz answers as before.
async has no such wall: everybody gets in.
Picture: members of sync rise to 84 and stay there while refusals count up; those of async rise to 200. The latency of
/healthz is flat on both.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, no_worse_than
from loadtest.workload import Phase, Requests, Workload

SCENARIO = Scenario(
    name="wall",
    doc=__doc__,
    workload=Workload(
        connections=10,
        returning=False,
        phases=(Phase("fill", 8, rate=5, connections=200, measured=False), Phase("hold", 5, rate=5)),
        requests=Requests("/healthz", 5),
        settings={"CHAT_THREADS": "100"},
    ),
    objectives=(
        NOTHING_BROKEN,
        no_worse_than("http_p99", "/healthz answers", 0.5),
        no_worse_than("handshaking_max", "nobody is kept waiting", 20),
    ),
    expects=(
        expect("sync lets 84 in", "members_max", "sync", at_least=84, at_most=84),
        expect("async lets everybody in", "members_max", "async", at_least=200),
        expect("/healthz answers as before", "http_p99", at_most=0.1),
        expect("nobody waits in silence", "handshaking_max", at_most=20),
    ),
    answer="members_max",
)
