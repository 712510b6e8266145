"""Which rates to offer, to find the one that is held as often as missed: up after what was held, down after a miss.

A single step says little on a machine that stands still now and then. The up-and-down method judges no rate by one of
them: it is drawn to the rate at which half of the steps are held, and stays near it.
Source: Dixon and Mood, A Method for Obtaining and Analyzing Sensitivity Data, JASA 43 (1948).
"""

import math
import statistics
from dataclasses import dataclass, field
from typing import Final

FACTOR: Final = 4.0
"""From one rate to the next, where nothing is known."""
NEAR: Final = 1.6
"""From one rate to the next, from a guess on."""
SMALLEST: Final = 1.2
COUNTED: Final = 1.5
"""Rates that were reached by no larger factor count."""
LOWEST: Final = 2.0
"""Messages a second: below, one has been delivered long before the next, and every rate is alike."""


@dataclass
class Staircase:
    """Begins at ``rate``, in messages a second. ``guess`` is tried next once that was held."""

    rate: float
    """To be offered next."""
    guess: float | None = None
    _factor: float = FACTOR
    _last: bool | None = None
    _fastest: float = 0.0
    _counted: list[float] = field(default_factory=list)

    def record(self, held: bool) -> None:
        """Go on from what became of ``rate``."""
        if held:
            self._fastest = max(self._fastest, self.rate)
            if self._last is None and self.guess is not None:
                self.rate, self.guess, self._factor = self.guess, None, NEAR
                return
        if self._last not in (None, held):
            self._factor = max(SMALLEST, math.sqrt(self._factor))
        self._last = held
        self.rate = max(LOWEST, self.rate * self._factor if held else self.rate / self._factor)
        if self._factor <= COUNTED:
            self._counted.append(self.rate)

    @property
    def estimate(self) -> float:
        """The rate of which half of the steps are held, the geometric mean of those near it; 0 if none ever was."""
        if not self._fastest:
            return 0.0
        return statistics.geometric_mean(self._counted) if self._counted else self._fastest
