"""Mutations of a point: level switches, which keep its cost, and steps, which change it.

Source: level switches are Tyr-the-Pruner's (arXiv 2503.09657) and EvoPress's (arXiv 2410.14649): one unit
down, another of the same kind up. Where a space has no second dimension of a kind, as in a uniform space,
another kind goes up by as much as brings the cost nearest to what it was.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

import numpy as np

from nas.search.samplers.archive import Point
from nas.search.samplers.lattice import Lattice

#: How far a switch may move the cost, as a share of the parent's.
COST_BAND: Final = 0.02
_TRIES: Final = 20
_MOST_SWITCHES: Final = 4


class Neighbourhood:
    """Moves from one point of a lattice to another.

    Args:
        lattice: the space.
        generator: of every choice.
        coarsest: share of a dimension's range that a step may cover.
    """

    def __init__(self, lattice: Lattice, generator: np.random.Generator, *, coarsest: float = 0.25) -> None:
        self._lattice, self._generator, self._coarsest = lattice, generator, coarsest

    def switched(self, point: Point) -> Point | None:
        """As many level switches as the lesser of two draws from 1 to 4; the cost stays within the band.

        The budgets hold too where the point kept them. None where no switch was found, or where
        they cancelled each other out.
        """
        wanted = int(self._generator.integers(1, _MOST_SWITCHES + 1, size=2).min())
        child, cost = point, self._lattice.cost(point)
        for _ in range(wanted):
            child = self._switched_once(child, cost) or child
        return child if child != point else None

    def stepped(self, point: Point, sign: int) -> Point | None:
        """One to three dimensions, all of them one or more values up (`sign` 1) or down (-1)."""
        movable = [i for i in self._lattice.free if self._room(point, i, sign) > 0]
        if not movable:
            return None
        count = min(len(movable), int(self._generator.integers(1, 4)))
        child = list(point)
        for dimension in self._generator.choice(movable, size=count, replace=False).tolist():
            child[dimension] += sign * self._draw_step(point, dimension, sign)
        return tuple(child)

    def crossed(self, first: Point, second: Point) -> Point:
        """Each dimension from one of two points."""
        from_first = self._generator.random(len(first)) < 0.5
        return tuple(a if keep else b for a, b, keep in zip(first, second, from_first, strict=True))

    def _switched_once(self, point: Point, cost: float) -> Point | None:
        """Not more than the band away from `cost`, the point's own or that of an ancestor."""
        lower = [i for i in self._lattice.free if point[i] > 0]
        for _ in range(_TRIES if lower else 0):
            down = self._pick(lower)
            step = self._draw_step(point, down, -1)
            partners = self._partners(point, down)
            if not partners:
                continue
            up = self._pick(partners)
            raised = self._raised(_moved(point, down, -step), up, step, cost)
            child = next((choice for choice in raised if self._keeps(choice, cost)), None)
            if child is not None:
                return child
        return None

    def _keeps(self, child: Point, cost: float) -> bool:
        return abs(self._lattice.cost(child) - cost) <= COST_BAND * cost and self._lattice.is_allowed(child)

    def _partners(self, point: Point, down: int) -> list[int]:
        """What may go up: dimensions of the same kind if there is one, else any other."""
        others = [i for i in self._lattice.free if i != down and self._room(point, i, 1) > 0]
        kinds = self._lattice.kinds
        return [i for i in others if kinds[i] == kinds[down]] or others

    def _raised(self, point: Point, up: int, step: int, cost: float) -> Iterator[Point]:
        """The dimension up by as many values, then to the value whose cost is nearest to `cost`."""
        choices = [_moved(point, up, rise) for rise in range(1, self._room(point, up, 1) + 1)]
        yield from choices[step - 1 : step]
        above = bisect_left(choices, cost, key=self._lattice.cost)
        near = choices[max(above - 1, 0) : above + 1]
        yield min(near, key=lambda choice: abs(self._lattice.cost(choice) - cost))

    def _room(self, point: Point, dimension: int, sign: int) -> int:
        return self._lattice.sizes[dimension] - 1 - point[dimension] if sign > 0 else point[dimension]

    def _draw_step(self, point: Point, dimension: int, sign: int) -> int:
        most = max(1, round(self._coarsest * (self._lattice.sizes[dimension] - 1)))
        return int(self._generator.integers(1, min(most, self._room(point, dimension, sign)) + 1))

    def _pick(self, dimensions: list[int]) -> int:
        return dimensions[int(self._generator.integers(len(dimensions)))]


def _moved(point: Point, dimension: int, step: int) -> Point:
    return (*point[:dimension], point[dimension] + step, *point[dimension + 1 :])
