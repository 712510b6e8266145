"""People whose network is gone without a word: how long do their ghosts stay?

Question: a fifth of the members fall mute: no reading, no answer to pings, no close. When are they let go?
Hypothesis: after the ping's interval and patience (2 + 2 s here; 20 + 20 s by default) on both, with their threads and
descriptors; the others notice nothing.
Picture: open connections, as the server counts them, fall by a fifth about four seconds after the fault; p99 of the
others flat.
"""

from loadtest.scenario import NOTHING_BROKEN, Scenario, expect, no_worse_than, p99_within
from loadtest.workload import Phase, Stall, Workload

SCENARIO = Scenario(
    name="half_open",
    doc=__doc__,
    workload=Workload(
        connections=100,
        speakers=50,
        phases=(Phase("before", 3, rate=20), Phase("mute", 10, rate=20)),
        stall=Stall(share=0.2, at=3, forever=True),
        settings={"CHAT_PING_INTERVAL": "2", "CHAT_PING_TIMEOUT": "2"},
    ),
    objectives=(NOTHING_BROKEN, p99_within(0.1), no_worse_than("ghost_seconds", "ghosts are let go", 8)),
    expects=(
        expect("gone after interval and patience", "ghost_seconds", at_least=2, at_most=7),
        expect("the others notice nothing", "delivery_p99", at_most=0.1),
    ),
    answer="ghost_seconds",
)
