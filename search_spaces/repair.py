"""Moving points that break a space's rules to near ones that do not; a function of the point alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from search_spaces.dimensions import Dimension
from search_spaces.errors import SpaceError

#: A value index for each dimension.
Point: TypeAlias = tuple[int, ...]

_LADDER: Final = 21
_RANDOM_POINTS: Final = 200
_MAX_ANCHORS: Final = 32
#: Starting points of descents, and how many of them have to arrive.
_MAX_DESCENTS: Final = 40
_MAX_DESCENDED: Final = 4
#: Spaces up to this size are looked through point by point.
ENUMERABLE: Final = 5000


class Repair:
    """Finds legal points near illegal ones.

    From the nearest of some legal points, the anchors, each dimension in turn goes back to the wanted value
    as far as the rules let it. So the result is always legal, and no dimension can go further on its own
    where the rules bound it from one side.

    Attributes:
        anchors: legal points, at least one.
    """

    def __init__(self, dimensions: Sequence[Dimension], violation: Callable[[Point], float]) -> None:
        """Find anchors.

        Args:
            dimensions: of the space.
            violation: by how much a point breaks the rules, 0 where it obeys them.

        Raises:
            SpaceError: no point obeys the rules, or none was found.
        """
        self._high = tuple(len(dimension.values) - 1 for dimension in dimensions)
        self._violation = violation
        self.anchors = self._anchors()

    def nearest(self, point: Point) -> Point:
        """A legal point near a given one; the same where that is legal."""
        if self._is_legal(point):
            return point
        current = min(self.anchors, key=lambda anchor: self._distance(anchor, point))
        while True:
            moved = current
            for axis in range(len(point)):
                moved = self._towards(moved, axis, point[axis])
            if moved == current:
                return current
            current = moved

    def _is_legal(self, point: Point) -> bool:
        return self._violation(point) == 0

    def _distance(self, one: Point, other: Point) -> float:
        """Shares of the dimensions' ranges, added up."""
        return sum(abs(a - b) / high for a, b, high in zip(one, other, self._high, strict=True) if high)

    def _towards(self, point: Point, axis: int, wanted: int) -> Point:
        """The last legal point on the way of one dimension to its wanted value, found by bisection."""
        near, far = point, _with(point, axis, wanted)
        if near == far or self._is_legal(far):
            return far
        while abs(far[axis] - near[axis]) > 1:
            between = _with(point, axis, (near[axis] + far[axis]) // 2)
            if self._is_legal(between):
                near = between
            else:
                far = between
        return near

    def _anchors(self) -> tuple[Point, ...]:
        points = self._starting_points()
        legal = (point for point in points if self._is_legal(point))
        found = tuple(itertools.islice(legal, _MAX_ANCHORS)) or self._descents(points)
        if found:
            return found
        if math.prod(high + 1 for high in self._high) > ENUMERABLE:
            raise SpaceError(
                f"no point that obeys the rules was found from {len(points)} starting points; "
                "relax one or widen the choices"
            )
        every = itertools.product(*(range(high + 1) for high in self._high))
        found = tuple(itertools.islice((point for point in every if self._is_legal(point)), _MAX_ANCHORS))
        if not found:
            raise SpaceError("no point of the space obeys the rules; relax one or widen the choices")
        return found

    def _starting_points(self) -> list[Point]:
        """Even shares of all dimensions, the largest first, and random points; each once."""
        generator = np.random.default_rng(0)
        shares = [step / (_LADDER - 1) for step in reversed(range(_LADDER))]
        even: list[Point] = [tuple(round(share * high) for high in self._high) for share in shares]
        drawn = generator.integers(np.array(self._high) + 1, size=(_RANDOM_POINTS, len(self._high)))
        return list(dict.fromkeys([*even, *map(tuple, drawn.tolist())]))

    def _descents(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """What legal points descents from the least illegal ones reach."""
        nearest = sorted(points, key=self._violation)[:_MAX_DESCENTS]
        reached = (self._descended(point) for point in nearest)
        legal = (point for point in reached if self._is_legal(point))
        return tuple(dict.fromkeys(itertools.islice(legal, _MAX_DESCENDED)))

    def _descended(self, point: Point) -> Point:
        """Changed in one dimension at a time, as long as that lessens the violation."""
        violation = self._violation(point)
        while violation > 0:
            others = [
                _with(point, axis, value)
                for axis, high in enumerate(self._high)
                for value in range(high + 1)
                if value != point[axis]
            ]
            if not others:
                return point
            best = min(others, key=self._violation)
            if self._violation(best) >= violation:
                return point
            point, violation = best, self._violation(best)
        return point


def _with(point: Point, axis: int, value: int) -> Point:
    return (*point[:axis], value, *point[axis + 1 :])
