"""Which rates to try, to find the highest one that is held: upward in growing steps, then between held and missed."""

import math
from dataclasses import dataclass
from typing import Final

LARGEST_FACTOR: Final = 8.0
SMALLEST_FACTOR: Final = 1.4
BOLD_FACTOR: Final = 2.5
"""While latency is far from the objective, farther still where a guess was good: a busy server that joins messages
into one write may take many more."""
AIM: Final = 0.85
"""The part of one CPU at which the next step aims, while what a message costs is known only from slower rates."""
FINE: Final = 1.12
"""Held and missed are close enough when they differ by this factor."""
NEAR: Final = 1.5
"""Only a gap no wider than this is halved a limited number of times: all rates are found equally closely."""
FAR: Final = 2.5
"""A wider gap comes of a guess that was far too high: it is approached from above."""
LOWEST: Final = 2.0
"""Messages a second: below, one has been delivered long before the next, and every rate is alike."""


@dataclass
class Search:
    """``bisections`` is how often a NEAR gap between held and missed may be halved, on a scale of ratios; ``guess``
    is a rate that may be expected to be held, and is tried next once anything was."""

    rate: float | None
    """Messages a second to try next; None when the search is over."""
    bisections: int = 2
    guess: float | None = None
    held: float | None = None
    missed: float | None = None

    def hold(self, busy: float, slow: float) -> None:
        """The rate was held; the server used the part ``busy`` of one CPU, and latency was ``slow`` × the objective."""
        if self.rate is None:
            return
        self.held = self.rate
        if self.missed is not None:
            self._close_in()
        elif self.guess is not None and self.guess > self.rate * SMALLEST_FACTOR:
            self.rate = self.guess
        else:
            least = BOLD_FACTOR if slow < (0.5 if self.guess is None else 0.2) else SMALLEST_FACTOR
            most = LARGEST_FACTOR if self.guess is None else BOLD_FACTOR
            self.rate *= min(most, max(least, AIM / max(busy, 0.01)))

    def miss(self) -> None:
        """The rate was not held."""
        if self.rate is None:
            return
        self.missed = self.rate
        if self.held is None:
            self.rate = self.rate / 4 if self.rate / 4 >= LOWEST else None
        else:
            self._close_in()

    def stop(self) -> None:
        """Nothing higher can be tried."""
        self.rate = None

    def _close_in(self) -> None:
        if self.held is None or self.missed is None or self.missed / self.held < FINE:
            self.rate = None
        elif self.missed / self.held > FAR:
            self.rate = max(self.missed / SMALLEST_FACTOR**2, self.held * SMALLEST_FACTOR)
        elif self.missed / self.held > NEAR:
            self.rate = math.sqrt(self.held * self.missed)
        elif self.bisections:
            self.bisections -= 1
            self.rate = math.sqrt(self.held * self.missed)
        else:
            self.rate = None
