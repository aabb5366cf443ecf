"""The area below a growing two-dimensional front."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import inf


class Staircase:
    """Area that two-dimensional points dominate, grown point by point; x rises as y falls.

    A point takes O(log n) comparisons, and each step that it hides is dropped once.
    """

    def __init__(self, corner_x: float, corner_y: float) -> None:
        self._xs: list[float] = [-inf, corner_x]
        self._ys: list[float] = [corner_y, -inf]
        self.area = 0.0

    def add(self, x: float, y: float) -> bool:
        """Take in a point that is better than the corner; whether it was not dominated."""
        xs, ys = self._xs, self._ys
        if ys[bisect_right(xs, x) - 1] <= y:
            return False
        start = stop = bisect_left(xs, x)
        left = x
        while True:
            self.area += (xs[stop] - left) * (ys[stop - 1] - y)
            if ys[stop] < y:
                break
            left = xs[stop]
            stop += 1
        xs[start:stop] = [x]
        ys[start:stop] = [y]
        return True
