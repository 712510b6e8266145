"""What a process of the generator is told, and what it answers: lines of JSON."""

import json
import os
import selectors
import sys
import time
from collections.abc import Mapping
from typing import Any


class Orders:
    """What is told on standard input, line by line."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.lines: list[dict[str, Any]] = []
        self.ended = False
        self._begun = b""
        os.set_blocking(sys.stdin.fileno(), False)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self)

    def on_event(self, mask: int) -> int:
        """Input can be read."""
        data = os.read(sys.stdin.fileno(), 65536)
        self.ended = not data
        *whole, self._begun = (self._begun + data).split(b"\n")
        self.lines += [json.loads(line) for line in whole]
        return 0


def moment(order: Mapping[str, Any]) -> float:
    """Return the monotonic time that an order names. One from another machine names the time of day as well: what is
    monotonic there means nothing here."""
    at: float = order["wall"] - time.time() + time.monotonic() if "wall" in order else order["at"]
    return at


def tell(line: dict[str, Any]) -> None:
    """Say a line to who conducts the run."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
