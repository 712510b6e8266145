"""What the garbage collector is told by a process that holds many connections for long."""

import gc
from typing import Final

THRESHOLDS: Final = (100_000, 50, 100)
"""Connections are objects that live; looking at all of them for every 700 new ones finds nothing."""


def settle() -> None:
    """Leave out of every later collection what start-up has made, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
