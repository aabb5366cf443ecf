"""How much a point is expected to improve a front, by what a surrogate and exact costs say of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from nas.objectives import EXACT_METRICS, Objective
from nas.pareto import non_dominated
from nas.search.samplers.archive import Archive, Point, Result
from nas.search.samplers.lattice import Lattice
from nas.search.samplers.surrogate import Surrogate

Array: TypeAlias = "npt.NDArray[np.float64]"

#: Results that a surrogate is fitted to; the front's, then the newest.
MOST_FITTED: Final = 250
_DRAWS: Final = 24
#: Values further from the best than so many times the median's distance say no more than that they are bad.
_CUT: Final = 3.0


class Improvement:
    """Expected improvement of a front; fitted to the archive once.

    Objectives that are exact costs are computed, others and constraints drawn from surrogates. Points under
    evaluation count as results with the predicted values, so that a batch does not gather at one place.
    """

    def __init__(
        self,
        archive: Archive,
        lattice: Lattice,
        objectives: Sequence[Objective],
        generator: np.random.Generator,
    ) -> None:
        self._lattice, self._objectives = lattice, tuple(objectives)
        self._normals = generator.standard_normal((_DRAWS, len(objectives) + 1))
        fitted = _chosen(archive)
        inputs = self._inputs([result.point for result in fitted])
        self._surrogates = [self._surrogate(index, inputs, fitted) for index in range(len(self._objectives))]
        self._constraints = _constraint_surrogates(inputs, fitted)
        front = np.array([result.values for result in archive.front])
        if archive.pending:
            front = np.concatenate([front, self._expected(archive.pending)])
        self._front = front[non_dominated(front)]

    def of(self, points: Sequence[Point]) -> Array:
        """Mean improvement of each point over the draws, `(points,)`."""
        inputs = self._inputs(points)
        values = np.stack([self._drawn(index, points, inputs) for index in range(len(self._objectives))], -1)
        gained = improvements(values.reshape(-1, len(self._objectives)), self._front)
        feasible = np.ones((_DRAWS, len(points)), dtype=np.bool_)
        for surrogate in self._constraints:
            mean, deviation = surrogate.predict(inputs)
            feasible &= mean + deviation * self._normals[:, -1:] <= 0
        return np.asarray((gained.reshape(_DRAWS, -1) * feasible).mean(axis=0))

    def _surrogate(self, index: int, inputs: Array, results: Sequence[Result]) -> Surrogate | None:
        if self._lattice.exact_objectives[index]:
            return None
        return Surrogate(inputs, cut_off(np.array([result.values[index] for result in results])))

    def _drawn(self, index: int, points: Sequence[Point], inputs: Array) -> Array:
        surrogate = self._surrogates[index]
        if surrogate is None:
            return np.tile(self._exact(index, points), (_DRAWS, 1))
        mean, deviation = surrogate.predict(inputs)
        return mean + deviation * self._normals[:, index : index + 1]

    def _expected(self, points: Sequence[Point]) -> Array:
        inputs = self._inputs(points)
        columns = [
            self._exact(index, points) if surrogate is None else surrogate.predict(inputs)[0]
            for index, surrogate in enumerate(self._surrogates)
        ]
        return np.stack(columns, axis=-1)

    def _exact(self, index: int, points: Sequence[Point]) -> Array:
        objective = self._objectives[index]
        return np.array([objective.minimised(self._lattice.costs(p)[objective.metric]) for p in points])

    def _inputs(self, points: Sequence[Point]) -> Array:
        return np.array([self._lattice.scaled(point) for point in points])


def improvements(values: Array, front: Array) -> Array:
    """By how much each of `(points, objectives)` improves a front, `(points,)`.

    That is by how much the nearest member would have to improve to be as good in every objective, in shares
    of the front's range; 0 for what a member dominates.
    Source: maximin improvement, Svenson and Santner 2016, "Multiobjective optimization of expensive
    black-box functions via expected maximin improvement".
    """
    low, high = front.min(axis=0), front.max(axis=0)
    span = np.where(high > low, high - low, np.maximum(np.abs(high), 1e-12))
    ahead = (front[None, :, :] - values[:, None, :]) / span
    return np.asarray(np.maximum(ahead.max(axis=2).min(axis=1), 0.0))


def cut_off(values: Array) -> Array:
    """Minimised values without extremes on the bad side, which would drown all differences."""
    best = float(values.min())
    limit = best + _CUT * float(np.median(values) - best)
    return np.asarray(np.minimum(values, limit)) if limit > best else values


def _constraint_surrogates(inputs: Array, results: Sequence[Result]) -> list[Surrogate]:
    """Of constraints that some result broke; budgets on exact costs hold for every candidate."""
    first = results[0].violations
    shared = [name for name in first if all(name in result.violations for result in results)]
    names = [name for name in shared if name.split()[0] not in EXACT_METRICS]
    columns = [np.array([result.violations[name] for result in results]) for name in names]
    return [Surrogate(inputs, column) for column in columns if column.max() > 0]


def _chosen(archive: Archive) -> list[Result]:
    """Results to fit to, by number."""
    front = archive.front[-MOST_FITTED:]
    taken = {result.number for result in front}
    others = (result for result in reversed(archive.results) if result.number not in taken)
    newest = islice(others, MOST_FITTED - len(front))
    return sorted([*front, *newest], key=lambda result: result.number)
