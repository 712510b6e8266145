"""Redis stands still for three seconds.

Question: what do people see while Redis does not answer, and what is missing afterwards?
Hypothesis: sockets stay open, posts are refused as `unavailable` within a second, /healthz goes on answering; what was
accepted arrives when Redis goes on. Both alike.
Picture: a gap of three seconds in the deliveries, refusals in it, nobody disconnected, nothing lost.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, no_worse_than
from loadtest.workload import Fault, Phase, Requests, Workload

SCENARIO = Scenario(
    name="redis_outage",
    doc=__doc__,
    workload=Workload(
        connections=100,
        rooms=5,
        phases=(Phase("before", 4, rate=40), Phase("outage", 5, rate=40), Phase("after", 5, rate=40)),
        requests=Requests("/healthz", 5),
        faults=(Fault(4, "freeze redis", 3),),
    ),
    objectives=(NOTHING_BROKEN, no_worse_than("http_p99", "/healthz answers", 0.5)),
    expects=(
        expect("sockets stay open", "disconnected", at_most=0),
        expect("both go on answering", "http_p99", at_most=0.1),
        expect("both are silent equally long", "seconds_without_delivery", "sync", "async", at_least=0.5, at_most=2),
    ),
    answer="seconds_without_delivery",
)
