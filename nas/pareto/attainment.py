"""Empirical attainment of several runs: what at least so many of them reached.

Source: Grunert da Fonseca, Fonseca and Hall 2001, "Inferential performance assessment of stochastic
optimisers and the attainment function".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError
from nas.pareto.points import Array, Points, as_matrix


def attained_by(runs: Sequence[Points], points: Points) -> npt.NDArray[np.int64]:
    """How many runs attain each of `(n, objectives)`: have a point that is nowhere worse.

    Divided by the number of runs it is the empirical attainment function.

    Args:
        runs: minimised points of each run, `(any, objectives)`.
        points: where to look.

    Raises:
        ConfigError: no run, a value that is not finite, or numbers of objectives that differ.
    """
    goals = as_matrix(points)
    counts = np.zeros(len(goals), dtype=np.int64)
    for run in _checked(runs, goals.shape[1]):
        counts += np.any(np.all(run[:, None] <= goals, axis=2), axis=0)
    return counts


def attainment_surface(runs: Sequence[Points], count: int) -> Array:
    """Corners of the region that at least `count` runs attain, `(corners, 2)`, the first objective rising.

    Whatever is nowhere worse than some corner is attained. It is empty where fewer runs have points.
    Half the runs, rounded up, give the median surface. Takes O(n m log m) for n runs of m points in all.
    Source: Fonseca, Guerreiro, López-Ibáñez and Paquete 2011, "On the computation of the empirical
    attainment function"; here levels of all runs at once in place of their sweep.

    Args:
        runs: minimised points of each run, `(any, 2)`.
        count: runs that must attain, 1 to their number.

    Raises:
        ConfigError: no run, a count that there is not, a value that is not finite, or not two objectives.
    """
    matrices = _checked(runs, 2)
    if not 1 <= count <= len(matrices):
        raise ConfigError(f"got count {count} of {len(matrices)} runs; allowed are 1 to {len(matrices)}")
    firsts = np.unique(np.concatenate([matrix[:, 0] for matrix in matrices]))
    levels = np.array([_levels(matrix, firsts) for matrix in matrices])
    level = np.sort(levels, axis=0)[count - 1]
    falls = level < np.concatenate([[np.inf], level])[:-1]
    return np.column_stack([firsts[falls], level[falls]])


def _levels(matrix: Array, firsts: Array) -> Array:
    """The best second value of a run up to each first value; infinite where it has none."""
    ordered = matrix[np.argsort(matrix[:, 0], kind="stable")]
    lowest = np.minimum.accumulate(np.concatenate([[np.inf], ordered[:, 1]]))
    return np.asarray(lowest[np.searchsorted(ordered[:, 0], firsts, side="right")])


def _checked(runs: Sequence[Points], num_objectives: int) -> list[Array]:
    matrices = [as_matrix(run) for run in runs]
    if not matrices:
        raise ConfigError("got no run; give the points of at least one")
    for matrix in matrices:
        if matrix.shape[1] != num_objectives:
            raise ConfigError(f"a run has {matrix.shape[1]} objectives; give {num_objectives}")
    return matrices
