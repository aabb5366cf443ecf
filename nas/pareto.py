"""Pareto dominance, fronts, hypervolume and knee of matrices whose columns are all minimised.

A point dominates another if it is nowhere worse and somewhere better. Equal points do not dominate
each other: all copies of a non-dominated point are kept.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError

Points: TypeAlias = "npt.ArrayLike"
Array: TypeAlias = "npt.NDArray[np.float64]"
Id = TypeVar("Id", bound=Hashable)


def dominates(a: Points, b: Points) -> bool:
    """Whether point `a` is nowhere worse than `b` and somewhere better.

    Raises:
        ConfigError: points of different lengths, or a value that is not finite.
    """
    left, right = _point(a), _point(b)
    if left.shape != right.shape:
        raise ConfigError(f"points have {left.size} and {right.size} objectives; give equally many")
    return bool(np.all(left <= right) and np.any(left < right))


def non_dominated(values: Points) -> npt.NDArray[np.bool_]:
    """Mask of the points of `(n, objectives)` that no other point dominates; equal points are all kept.

    Raises:
        ConfigError: not a matrix of finite numbers.
    """
    matrix = _matrix(values)
    if matrix.shape[1] == 1:
        return np.asarray(matrix[:, 0] == matrix[:, 0].min(initial=np.inf))
    unique, inverse = np.unique(matrix, axis=0, return_inverse=True)
    mask = _sweep_two(unique) if matrix.shape[1] == 2 else _filter(unique)
    return np.asarray(mask[inverse.reshape(-1)])


def hypervolume(values: Points, reference: Points) -> float:
    """Exact volume that the points of `(n, objectives)` dominate, bounded by the reference point.

    Points that are not better than the reference in every objective add nothing. Two objectives take
    O(n log n); three a sweep over a staircase; each further one a sweep over slices, a factor of n.
    Source: dimension-sweep algorithms, Guerreiro, Fonseca and Paquete 2021, Sec. 4.

    Raises:
        ConfigError: a value that is not finite, or a reference of another length.
    """
    matrix, corner = _matrix(values), _point(reference)
    if corner.size != matrix.shape[1]:
        raise ConfigError(f"reference has {corner.size} objectives, the points have {matrix.shape[1]}")
    inside = matrix[np.all(matrix < corner, axis=1)]
    return _volume(inside[non_dominated(inside)], corner)


def knee(values: Points) -> int:
    """Row of the point furthest below the plane through the extremes of the front.

    Each objective is scaled to 0..1 over the front; furthest below is then the smallest sum. The
    first of equals is taken. Source: Das 1999, "On characterizing the knee of the Pareto curve".

    Raises:
        ConfigError: no point, or a value that is not finite.
    """
    matrix = _matrix(values)
    if not len(matrix):
        raise ConfigError("the knee of no point is not defined; give at least one point")
    rows = np.flatnonzero(non_dominated(matrix))
    front = matrix[rows]
    low = front.min(axis=0)
    spread = front.max(axis=0) - low
    scaled = (front - low) / np.where(spread > 0, spread, 1.0)
    return int(rows[np.argmin(scaled.sum(axis=1))])


class Front(Generic[Id]):
    """The non-dominated points seen so far, in the order in which they came.

    Args:
        num_objectives: values a point has; all are minimised.

    Raises:
        ConfigError: no objective.
    """

    def __init__(self, num_objectives: int) -> None:
        if num_objectives < 1:
            raise ConfigError(f"got {num_objectives} objectives; give at least 1")
        self._values: Array = np.empty((0, num_objectives))
        self._ids: list[Id] = []

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> tuple[Id, ...]:
        """Ids of the points on the front."""
        return tuple(self._ids)

    @property
    def values(self) -> Array:
        """Copy of the points, `(len(front), num_objectives)`."""
        return self._values.copy()

    def add(self, point: Points, id: Id) -> bool:  # noqa: A002  # the word of the domain
        """Take a point in, unless one of the front dominates it, and drop those that it dominates.

        Raises:
            ConfigError: another number of objectives, a value that is not finite, or an id that is on
                the front already.
        """
        row = self._row(point)
        if id in self._ids:
            raise ConfigError(f"{id!r} is on the front already; give each point an id of its own")
        if not self.accepts(row):
            return False
        kept = ~_dominated_by(self._values, row)
        self._values = np.vstack([self._values[kept], row])
        self._ids = [old for old, keep in zip(self._ids, kept, strict=True) if keep] + [id]
        return True

    def accepts(self, point: Points) -> bool:
        """Whether no point of the front dominates this one.

        Raises:
            ConfigError: another number of objectives, or a value that is not finite.
        """
        row = self._row(point)
        nowhere_worse = np.all(self._values <= row, axis=1)
        return not bool(np.any(nowhere_worse & np.any(self._values < row, axis=1)))

    def _row(self, point: Points) -> Array:
        row = _point(point)
        if row.size != self._values.shape[1]:
            raise ConfigError(f"got {row.size} objectives; the front has {self._values.shape[1]}")
        return row


def _matrix(values: Points) -> Array:
    matrix = _floats(values)
    if matrix.ndim != 2 or matrix.shape[1] < 1:
        raise ConfigError(f"got an array of shape {matrix.shape}; give (points, objectives)")
    return matrix


def _point(values: Points) -> Array:
    point = _floats(values)
    if point.ndim != 1 or not point.size:
        raise ConfigError(f"got an array of shape {point.shape}; give one number an objective")
    return point


def _floats(values: Points) -> Array:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"objective values must be numbers: {error}") from None
    if not np.isfinite(array).all():
        raise ConfigError("objective values must be finite; drop failed trials before the front")
    return array


def _sweep_two(unique: Array) -> npt.NDArray[np.bool_]:
    """Rows sorted by the first objective are on the front iff the second falls below all before."""
    second = unique[:, 1]
    before = np.minimum.accumulate(np.concatenate([[np.inf], second]))[:-1]
    return np.asarray(second < before)


def _filter(unique: Array) -> npt.NDArray[np.bool_]:
    """Keep the first of the remaining rows and drop what it dominates.

    Rows come sorted: a row is never dominated by a later one, so that the first is always on the front.
    """
    mask = np.zeros(len(unique), dtype=np.bool_)
    left: npt.NDArray[np.intp] = np.arange(len(unique))
    while left.size:
        mask[left[0]] = True
        rest = left[1:]
        left = rest[~np.all(unique[left[0]] <= unique[rest], axis=1)]
    return mask


def _dominated_by(values: Array, row: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(np.all(row <= values, axis=1) & np.any(row < values, axis=1))


def _volume(points: Array, corner: Array) -> float:
    if not len(points):
        return 0.0
    if corner.size == 1:
        return float(corner[0] - points.min())
    if corner.size == 2:
        return _area(points, corner)
    ordered = points[np.argsort(points[:, -1], kind="stable")]
    if corner.size == 3:
        return _volume_three(ordered, corner)
    heights = np.diff(np.append(ordered[:, -1], corner[-1]))
    total = 0.0
    for count, height in enumerate(heights.tolist(), start=1):
        if height > 0:
            total += height * _volume(ordered[:count, :-1], corner[:-1])
    return total


def _area(points: Array, corner: Array) -> float:
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    lowest = np.minimum.accumulate(ordered[:, 1])
    widths = np.diff(np.append(ordered[:, 0], corner[0]))
    return float(np.sum(widths * (corner[1] - lowest)))


def _volume_three(ordered: Array, corner: Array) -> float:
    """Sum area times height while the third objective rises; each point enlarges a staircase."""
    staircase = _Staircase(float(corner[0]), float(corner[1]))
    heights = np.diff(np.append(ordered[:, 2], corner[2])).tolist()
    total = 0.0
    for (x, y, _), height in zip(ordered.tolist(), heights, strict=True):
        staircase.add(x, y)
        total += staircase.area * height
    return total


class _Staircase:
    """Area that two-dimensional points dominate, grown point by point; x rises as y falls."""

    def __init__(self, corner_x: float, corner_y: float) -> None:
        self._xs: list[float] = [-np.inf, corner_x]
        self._ys: list[float] = [corner_y, -np.inf]
        self.area = 0.0

    def add(self, x: float, y: float) -> None:
        """Take in a point that is better than the corner."""
        xs, ys = self._xs, self._ys
        if ys[bisect_right(xs, x) - 1] <= y:
            return
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
