"""Durations counted in buckets, so that any number of them takes the same room and counts can be added without loss."""

from collections.abc import Iterator
from typing import Final

UNIT: Final = 1e-6
"""Seconds of the finest bucket."""
BITS: Final = 8
"""Buckets are linear up to 2 ** BITS units, then there are 2 ** (BITS - 1) of them for each power of two: every one
is narrower than 1 part in 2 ** (BITS - 1) of the durations in it, less than 0.8 %."""
LONGEST: Final = 1 << 32
"""Units: more than an hour. What takes longer counts as this long."""
_HALF: Final = 1 << (BITS - 1)


def highest(bucket: int) -> int:
    """The longest duration, in units, that falls in the bucket."""
    shift = max(0, bucket // _HALF - 1)
    return ((bucket - shift * _HALF + 1) << shift) - 1


class Histogram:
    """Counts of durations in seconds. Histograms are added by adding their counts; percentiles are never averaged."""

    __slots__ = ("count", "counts", "longest")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.count = 0
        self.longest = 0.0
        """The longest duration recorded, exact."""

    def record(self, seconds: float, times: int = 1) -> None:
        """Count a duration ``times`` times. What is below zero counts as zero."""
        units = int(seconds / UNIT)
        if not 0 <= units <= LONGEST:
            units = min(max(units, 0), LONGEST)
        shift = units.bit_length() - BITS
        bucket = units if shift <= 0 else shift * _HALF + (units >> shift)
        counts = self.counts
        counts[bucket] = counts.get(bucket, 0) + times
        self.count += times
        if seconds > self.longest:
            self.longest = seconds

    def add(self, other: "Histogram") -> None:
        """Count what ``other`` counted as well."""
        for bucket, times in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + times
        self.count += other.count
        self.longest = max(self.longest, other.longest)

    def percentile(self, percent: float) -> float:
        """Return seconds that ``percent`` % of what was counted did not exceed, as coarse as the bucket, never too
        small; NaN where nothing was counted."""
        if not self.count:
            return float("nan")
        rank = max(1, -(-self.count * percent // 100))
        for bucket, reached in self._cumulative():
            if reached >= rank:
                return min((highest(bucket) + 1) * UNIT, self.longest)
        return self.longest

    def _cumulative(self) -> Iterator[tuple[int, int]]:
        reached = 0
        for bucket in sorted(self.counts):
            reached += self.counts[bucket]
            yield bucket, reached
