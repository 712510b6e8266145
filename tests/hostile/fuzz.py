"""How long to try, and how to try the same again: ``FUZZ_SEED`` and ``FUZZ_ROUNDS`` (see `make fuzz`)."""

import os
import random
from typing import Final

SEED: Final = os.environ.get("FUZZ_SEED", "0")
ROUNDS: Final = int(os.environ.get("FUZZ_ROUNDS", "1"))
"""How many times as much is tried as in `make test`."""
REPEAT: Final = f"again: make fuzz FUZZ_SEED={SEED} FUZZ_ROUNDS={ROUNDS}"


def chance(name: str) -> random.Random:
    """Return the source of chance of the test of that name: the same for the same seed."""
    return random.Random(f"{SEED} {name}")
