"""The REST API while many sockets are held.

Question: does listing rooms over HTTP get slower because 400 people are connected and 50 messages a second go around?
Hypothesis: hardly: sync keeps threads in reserve for HTTP, async shares its loop. Both answer within tens of
milliseconds.
Picture: the connections rise to 400; the median of HTTP while people talk is less than twice that of before they came
(in the table of phases); no request fails.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, no_worse_than, p99_within
from loadtest.workload import Phase, Requests, Workload

SCENARIO = Scenario(
    name="rest_beside_ws",
    doc=__doc__,
    workload=Workload(
        connections=0,
        rooms=40,
        phases=(
            Phase("alone", 5),
            Phase("400 enter", 4, connections=400, measured=False),
            Phase("talk", 8, rate=50),
        ),
        requests=Requests("/api/rooms", 10),
    ),
    objectives=(
        NOTHING_BROKEN,
        p99_within(0.1),
        no_worse_than("http_p99", "99 % of requests in time", 0.25),
        no_worse_than("http_failed", "no request fails", 0),
    ),
    expects=(
        expect("tens of milliseconds", "http_p99", phase="talk", at_most=0.1),
        expect("hardly slower than alone", "http_p50", phase="talk", over_phase="alone", at_most=2),
    ),
    answer="http_p99",
)
