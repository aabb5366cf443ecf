"""Pareto dominance of points, all of whose values are minimised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError
from nas.pareto.points import Array, Mask, Points, as_matrix, as_point


def dominates(a: Points, b: Points) -> bool:
    """Whether point `a` is nowhere worse than `b` and somewhere better.

    Raises:
        ConfigError: points of different lengths, or a value that is not finite.
    """
    left, right = as_point(a), as_point(b)
    if left.shape != right.shape:
        raise ConfigError(f"points have {left.size} and {right.size} objectives; give equally many")
    return bool(np.all(left <= right) and np.any(left < right))


def non_dominated(values: Points) -> Mask:
    """Mask of the points of `(n, objectives)` that no other point dominates; equal points are all kept.

    One or two objectives take O(n log n), more O(n times the size of the front).

    Raises:
        ConfigError: not a matrix of finite numbers.
    """
    matrix = as_matrix(values)
    if matrix.shape[1] == 1:
        return np.asarray(matrix[:, 0] == matrix[:, 0].min(initial=np.inf))
    unique, inverse = np.unique(matrix, axis=0, return_inverse=True)
    mask = _sweep_two(unique) if matrix.shape[1] == 2 else _filter(unique)
    return np.asarray(mask[inverse.reshape(-1)])


def dominated_by(values: Array, row: Array) -> Mask:
    """Mask of the checked `values` that `row` dominates."""
    return np.asarray(np.all(row <= values, axis=1) & np.any(row < values, axis=1))


def _sweep_two(unique: Array) -> Mask:
    """Rows sorted by the first objective are on the front iff the second falls below all before."""
    second = unique[:, 1]
    before = np.minimum.accumulate(np.concatenate([[np.inf], second]))[:-1]
    return np.asarray(second < before)


def _filter(unique: Array) -> Mask:
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
