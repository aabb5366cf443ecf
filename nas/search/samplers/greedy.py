"""Greedy shrinking. Source: NetAdapt (arXiv 1804.03230), Sec. 3, and SLEB (arXiv 2402.09025)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

import numpy as np

from nas.search.samplers.archive import Point, Result
from nas.search.samplers.lattice import Lattice
from nas.search.samplers.point_sampler import PointSampler

#: Shares of the largest cost that a step saves at least; when a path is walked to its end, the next begins.
_STRIDES: Final = (1 / 8, 1 / 16, 1 / 32, 1 / 64)
_START_STEPS: Final = 64


class GreedySampler(PointSampler):
    """From the largest affordable point down, each time in the dimension that loses least per saved cost.

    Neighbours have one dimension shrunk until a share of the largest cost is saved; those not evaluated yet
    are asked for first. Once all are known, the best of them is where the next step begins. The loss is the
    first objective that is not an exact cost. A path that reached the end is walked again in finer steps.
    """

    def propose(self) -> Point:
        """The first unknown neighbour on the path; a random point where all paths are walked."""
        start = self._start()
        if self._lattice.is_new(start):
            return start
        for stride in _STRIDES:
            point = self._unknown(start, stride * self._lattice.cost(self._lattice.largest))
            if point is not None:
                return point
        return self._lattice.random(self._generator)

    def _start(self) -> Point:
        """The same share of every dimension's range, as large as the budgets allow."""
        sizes = np.array(self._lattice.sizes) - 1
        for step in range(_START_STEPS, -1, -1):
            point = tuple(int(index) for index in np.round(sizes * step / _START_STEPS))
            if self._lattice.is_allowed(point):
                return point
        return self._lattice.largest

    def _unknown(self, start: Point, saving: float) -> Point | None:
        """The first neighbour on the path that nobody asked for; None where the path ends."""
        losses = {result.point: self._loss(result) for result in self.archive.results}
        current = start
        while True:
            neighbours = _neighbours(self._lattice, current, saving)
            for neighbour in neighbours:
                if self._lattice.is_new(neighbour):
                    return neighbour
            known = [neighbour for neighbour in neighbours if neighbour in losses]
            if not known or current not in losses:
                return None
            current = min(known, key=self._rate(losses, current))

    def _rate(self, losses: dict[Point, float], current: Point) -> Callable[[Point], float]:
        def rate(point: Point) -> float:
            saved = self._lattice.cost(current) - self._lattice.cost(point)
            return (losses[point] - losses[current]) / max(saved, 1e-12)

        return rate

    def _loss(self, result: Result) -> float:
        exact = self._lattice.exact_objectives
        return next((v for v, is_exact in zip(result.values, exact, strict=True) if not is_exact), 0.0)


def _neighbours(lattice: Lattice, point: Point, saving: float) -> list[Point]:
    """One dimension shrunk, no further than needed to save so much, or as far as it goes."""
    neighbours = []
    for dimension in lattice.free:
        smaller = [(*point[:dimension], level, *point[dimension + 1 :]) for level in range(point[dimension])]
        if smaller:
            enough = bisect_right(smaller, lattice.cost(point) - saving, key=lattice.cost)
            neighbours.append(smaller[max(enough - 1, 0)])
    return neighbours
