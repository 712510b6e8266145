"""A worker is killed, later everything is restarted: how fast are people back?

Question: two workers; one is killed with -9, then the backend is restarted in order. Who is back when, and what is
missing?
Hypothesis: nothing is missing on either: whoever was inside resumes from the log. The killed worker's members are back
within two seconds; the restart takes as long as the backend needs to start.
Picture: two notches in the line of connections, the first half as deep as the second; deliveries by resuming behind
each; a ledger without losses.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, no_worse_than
from loadtest.workload import Fault, Phase, Workload

SCENARIO = Scenario(
    name="avalanche",
    doc=__doc__,
    workload=Workload(
        connections=150,
        rooms=10,
        workers=2,
        phases=(Phase("quiet", 4, rate=30), Phase("killed", 7, rate=30), Phase("restarted", 9, rate=30)),
        faults=(Fault(4, "kill worker"), Fault(11, "restart server")),
        settings={"CHAT_DRAIN_SECONDS": "2"},
    ),
    objectives=(NOTHING_BROKEN, no_worse_than("seconds_below_95", "95 % of the members are back soon", 10)),
    expects=(expect("nothing is missing", "lost", at_most=0),),
    answer="seconds_below_95",
)
