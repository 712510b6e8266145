"""The REST API while many sockets are held.

Question: does listing rooms over HTTP get slower because 400 people are connected and 50 messages a second go around?
Hypothesis: hardly: sync keeps threads in reserve for HTTP, async shares its loop. Both answer within tens of
milliseconds.
Picture: two flat lines of HTTP latency; no request fails.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, no_worse_than, p99_within
from loadtest.workload import Phase, Requests, Workload

SCENARIO = Scenario(
    name="rest_beside_ws",
    doc=__doc__,
    workload=Workload(
        connections=400,
        rooms=40,
        phases=(Phase("warm-up", 2, rate=50, measured=False), Phase("talk", 10, rate=50)),
        requests=Requests("/api/rooms", 10),
    ),
    objectives=(
        NOTHING_BROKEN,
        p99_within(0.1),
        no_worse_than("http_p99", "99 % of requests in time", 0.25),
        no_worse_than("http_failed", "no request fails", 0),
    ),
)
