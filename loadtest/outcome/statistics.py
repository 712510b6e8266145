"""Ratios with intervals: how much of a difference is the servers', how much is chance.

The unit of repetition is the trial (start, warm-up, run, stop), not the message. Trials of the same block ran next to
each other, so ratios are taken within blocks and the blocks are resampled.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Final, Literal

RESAMPLES: Final = 5000
FEWEST: Final = 5
"""Blocks without which nothing is called a difference: of fewer, all may lie on one side by chance."""
SMALLEST: Final = 0.05
"""A ratio nearer to 1 than this is of no interest, however sure it is."""
RESOLUTION: Final[Mapping[str, float]] = {"seconds": 0.001}
"""What the instrument cannot tell apart: a generator that may be some milliseconds late sees no tenths of them."""
T_975: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t at 97.5 % for 1 to 9 degrees of freedom."""

Finding = Literal["difference", "no detectable difference", "not enough repeats", "not measured", "within noise"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """``value`` is the geometric mean of b / a over the blocks; ``low`` and ``high`` its 95 % interval."""

    a: float
    b: float
    value: float
    low: float
    high: float
    blocks: int


def ratio(a: Sequence[float | None], b: Sequence[float | None], seed: int = 1) -> Ratio | None:
    """Return the ratio of pairs of one block each; None where there is none that has both, above zero."""
    pairs = [(one, other) for one, other in zip(a, b, strict=True) if one and other and one > 0 and other > 0]
    if not pairs:
        return None
    logs = [math.log(other / one) for one, other in pairs]
    low, high = interval(logs, seed)
    return Ratio(
        median(one for one, _ in pairs),
        median(other for _, other in pairs),
        math.exp(sum(logs) / len(logs)),
        math.exp(low),
        math.exp(high),
        len(pairs),
    )


def interval(values: Sequence[float], seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean by bootstrap.

    Percentiles of few values lie too close together; they are taken further out, as far as Student's t would put them
    (Hesterberg 2015, the expanded percentile interval).
    """
    if len(values) < 2:
        return (-math.inf, math.inf)
    dice = random.Random(f"bootstrap {seed}")
    count = len(values)
    means = sorted(sum(dice.choices(values, k=count)) / count for _ in range(RESAMPLES))
    tail = NormalDist().cdf(-math.sqrt(count / (count - 1)) * _t(count - 1))
    cut = min(int(tail * RESAMPLES), RESAMPLES // 2)
    return means[cut], means[RESAMPLES - 1 - cut]


def find(found: Ratio | None, unit: str) -> Finding:
    """Return what follows. A difference excludes 1, is more than SMALLEST, and one that can be seen."""
    if found is None:
        return "not measured"
    if found.blocks < FEWEST:
        return "not enough repeats"
    sure = found.low > 1 or found.high < 1
    large = abs(found.value - 1) > SMALLEST and abs(found.b - found.a) > RESOLUTION.get(unit, 0.0)
    return "difference" if sure and large else "no detectable difference"


def _t(freedom: int) -> float:
    if freedom <= len(T_975):
        return T_975[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
