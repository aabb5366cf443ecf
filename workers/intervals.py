"""The interval of a median."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

_MAX_EXACT = 200


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and the bounds that hold the true value with the confidence asked for."""

    estimate: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the distance of the bounds."""
        return (self.high - self.low) / 2

    def is_within(self, relative: float, absolute: float = 0.0) -> bool:
        """Whether half the interval is at most a share of the estimate, or at most `absolute`."""
        return self.half_width <= max(relative * abs(self.estimate), absolute)


def median_interval(values: np.ndarray, confidence: float) -> Interval:
    """Return the median of values `(n,)` with its order-statistic interval.

    Free of assumptions on the distribution, without random numbers, and the price of one sort; a bootstrap of
    the median approximates the same interval. With too few values for the confidence it is their range.

    Source: David and Nagaraja 2003, Order Statistics, Sec. 7.1.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    rank = _lower_rank(len(ordered), confidence)
    return Interval(
        estimate=float(np.median(ordered)),
        low=float(ordered[rank - 1]),
        high=float(ordered[len(ordered) - rank]),
    )


@functools.lru_cache(maxsize=4096)
def _lower_rank(count: int, confidence: float) -> int:
    """Return the largest rank, from 1, that the true median undercuts with probability <= alpha / 2."""
    tail = (1 - confidence) / 2
    if count > _MAX_EXACT:
        spread = NormalDist().inv_cdf(1 - tail) * math.sqrt(count) / 2
        return max(1, math.floor(count / 2 - spread))
    below, rank = 0.0, 0
    while rank < count // 2:
        below += math.comb(count, rank) / 2**count
        if below > tail:
            break
        rank += 1
    return max(1, rank)
