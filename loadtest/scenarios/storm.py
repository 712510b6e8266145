"""Everybody at once: 500 handshakes in two seconds.

Question: how long does it take until everybody is in, and how long does one handshake take?
Hypothesis: sync pays more CPU per handshake (a request through Flask, a thread), so its queue grows longer; nobody is
refused by either.
Picture: while the storm lasts, the handshakes' p99 of sync above that of async; both lines end with it. 500 connections
are open on both.
"""

from loadtest.record.models import Objective
from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, no_worse_than
from loadtest.workload import Phase, Workload

SCENARIO = Scenario(
    name="storm",
    doc=__doc__,
    workload=Workload(
        connections=0,
        rooms=50,
        phases=(Phase("storm", 2, connections=500), Phase("after", 4)),
    ),
    objectives=(
        NOTHING_BROKEN,
        no_worse_than("handshake_p99", "99 % of handshakes in time", 2.0),
        Objective(name="everybody is in", metric="inside", at_least=1.0),
    ),
    expects=(
        expect("nobody is refused", "members_max", at_least=500),
        expect("the queue of sync grows longer", "handshake_p99", "sync", "async", at_least=1.2),
    ),
    answer="handshake_p99",
)
