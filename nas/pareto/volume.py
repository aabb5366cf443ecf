"""Exact hypervolume: of a set, and what one more point adds to it."""

from __future__ import annotations

import numpy as np

from nas.errors import ConfigError
from nas.pareto.dominance import dominated_by, non_dominated
from nas.pareto.points import Array, Points, as_matrix, as_point
from nas.pareto.staircase import Staircase


def hypervolume(values: Points, reference: Points) -> float:
    """Exact volume that the points of `(n, objectives)` dominate, bounded by the reference point.

    Points that are not better than the reference in every objective add nothing. Two objectives take
    O(n log n); three a sweep over a staircase, O(n log n) comparisons; four a sweep over slices whose
    volume grows by what each point adds, O(n^2 log n); each further one a factor of n.
    Source: dimension-sweep algorithms, Guerreiro, Fonseca and Paquete 2021, Sec. 4.

    Raises:
        ConfigError: a value that is not finite, or a reference of another length.
    """
    inside, corner = within(values, reference)
    return volume(inside, corner)


def contribution(point: Points, values: Points, reference: Points) -> float:
    """Volume that `point` would add to the hypervolume of `(n, objectives)`; 0 where it adds none.

    Raises:
        ConfigError: a value that is not finite, or lengths that differ.
    """
    inside, corner = within(values, reference)
    row = as_point(point)
    if row.size != corner.size:
        raise ConfigError(f"reference has {corner.size} objectives, the point has {row.size}")
    return gain(row, inside, corner)


def contributions(values: Points, reference: Points) -> Array:
    """Volume `(n,)` that would be lost with each point alone; 0 for dominated points and for copies.

    Takes a hypervolume for every point of the front.

    Raises:
        ConfigError: a value that is not finite, or a reference of another length.
    """
    matrix = as_matrix(values)
    lost = np.zeros(len(matrix))
    _, corner = within(matrix, reference)
    is_inside = np.all(matrix < corner, axis=1)
    for row in np.flatnonzero(is_inside):
        is_inside[row] = False
        lost[row] = gain(matrix[row], matrix[is_inside], corner)
        is_inside[row] = True
    return lost


def within(values: Points, reference: Points) -> tuple[Array, Array]:
    """Points that are better than the reference in every objective, and the reference.

    Raises:
        ConfigError: a value that is not finite, or a reference of another length.
    """
    matrix, corner = as_matrix(values), as_point(reference)
    if corner.size != matrix.shape[1]:
        raise ConfigError(f"reference has {corner.size} objectives, the points have {matrix.shape[1]}")
    return matrix[np.all(matrix < corner, axis=1)], corner


def volume(inside: Array, corner: Array) -> float:
    """Hypervolume of checked points that are all better than the corner; dominated ones change nothing."""
    if not len(inside):
        return 0.0
    if corner.size == 1:
        return float(corner[0] - inside.min())
    if corner.size == 2:
        return _area(inside, corner)
    if corner.size == 3:
        return _sweep_three(inside, corner)
    return _sweep_slices(inside[non_dominated(inside)], corner)


def gain(row: Array, inside: Array, corner: Array) -> float:
    """What a checked point adds to checked ones: its own box less what of it they dominate."""
    if not np.all(row < corner) or np.any(np.all(inside <= row, axis=1)):
        return 0.0
    shared = volume(np.maximum(inside, row), corner)
    return max(0.0, float(np.prod(corner - row)) - shared)


def _area(inside: Array, corner: Array) -> float:
    front = np.unique(inside[non_dominated(inside)], axis=0)
    widths = np.diff(np.append(front[:, 0], corner[0]))
    return float(np.sum(widths * (corner[1] - front[:, 1])))


def _sweep_three(inside: Array, corner: Array) -> float:
    """Sum area times height while the third objective rises; each point enlarges a staircase.

    Dominated points come after what dominates them and end no slice: not even rounding depends on them.
    """
    staircase = Staircase(float(corner[0]), float(corner[1]))
    total, bottom = 0.0, float(corner[2])
    for x, y, z in inside[np.lexsort(inside.T)].tolist():
        below = staircase.area
        if staircase.add(x, y):
            total += below * (z - bottom)
            bottom = z
    return total + staircase.area * (float(corner[2]) - bottom)


def _sweep_slices(inside: Array, corner: Array) -> float:
    """Sum volume times height while the last objective rises; each point enlarges the slice's volume."""
    ordered = inside[np.argsort(inside[:, -1], kind="stable")]
    heights = np.diff(np.append(ordered[:, -1], corner[-1])).tolist()
    seen = np.empty((0, corner.size - 1))
    slice_volume = total = 0.0
    for row, height in zip(ordered[:, :-1], heights, strict=True):
        added = gain(row, seen, corner[:-1])
        if added > 0:
            seen = np.vstack([seen[~dominated_by(seen, row)], row])
        slice_volume += added
        total += slice_volume * height
    return total
