"""How often the machine itself stands still: no server delivers faster than its machine runs.

On a virtual machine with a busy host, a CPU may run at a tenth of its speed for tens of milliseconds, and no clock of
the guest says so. A loop that does nothing but count sees it.
"""

import statistics
import time
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from loadtest.bench.format import ms
from loadtest.bench.rig import pinned

WATCHED: Final = 4.0
WINDOW: Final = 0.005
"""Seconds in which strides are counted."""
STRIDE: Final = 500
"""Turns of the loop between two looks at the clock: some ten microseconds."""


def watch(cpus: frozenset[int] | None) -> str:
    """Keep one of ``cpus`` busy for WATCHED seconds; return what was seen, as a phrase."""
    with pinned(cpus):
        return described(_count())


def described(counts: Sequence[int]) -> str:
    """Return, of the strides of each window, for how long there were less than half as many as usual."""
    usual = statistics.median(counts)
    lasted = [len(list(run)) for slow, run in groupby(count < usual / 2 for count in counts) if slow]
    seconds = len(counts) * WINDOW
    if not lasted:
        return f"none in {seconds:.0f} s"
    found = f"{len(lasted)} in {seconds:.0f} s, together {ms(sum(lasted) * WINDOW)}"
    return f"{found}, the longest {ms(max(lasted) * WINDOW)}: a loop that only counts had less than half of its speed"


def _count() -> list[int]:
    counts = [0] * round(WATCHED / WINDOW)
    began = time.perf_counter()
    while (place := int((time.perf_counter() - began) / WINDOW)) < len(counts):
        for _ in range(STRIDE):
            pass
        counts[place] += 1
    return counts
