"""Evolution from the front, its offspring screened by a surrogate."""

from __future__ import annotations

from typing import Final

import numpy as np

from nas.search.samplers.archive import Point, Result
from nas.search.samplers.context import SamplerContext
from nas.search.samplers.improvement import Improvement
from nas.search.samplers.neighbourhood import Neighbourhood
from nas.search.samplers.point_sampler import PointSampler

#: Offspring among which one is chosen.
OFFSPRING: Final = 64
#: Results that a surrogate needs; before that the first of the offspring is taken.
_LEAST_FITTED: Final = 6
#: Elders that a single objective keeps as parents.
_PARENTS: Final = 8
#: After so many results the coarsest step is halved.
_ROUND: Final = 50
_COARSEST: Final = 0.5
_FINEST: Final = 0.0625
#: How offspring come about.
_SWITCH, _STEP = 0.4, 0.4


class EvolutionSampler(PointSampler):
    """Level switches, steps and crossings of the front's members; the most promising child is proposed.

    Parents are drawn by the gap that they border on the front, or by rank where there is one objective.
    Steps become finer as results come in. What EvoPress decides by evaluating offspring on few examples is
    decided here by a surrogate fitted to all results so far (`Improvement`).
    """

    def __init__(self, context: SamplerContext, *, offspring: int = OFFSPRING) -> None:
        super().__init__(context)
        self._offspring = offspring

    def propose(self) -> Point:
        """A child; a random point while there is no front, or where no new child was found."""
        parents = self._parents()
        if not parents:
            return self._lattice.random(self._generator)
        screened = self._offspring if len(self.archive.results) >= _LEAST_FITTED else 1
        children = self._children(parents, screened)
        if not children:
            return self._lattice.random(self._generator)
        if len(children) == 1:
            return children[0]
        objectives = self._context.objectives
        improvement = Improvement(self.archive, self._lattice, objectives, self._generator)
        return children[int(np.argmax(improvement.of(children)))]

    def _children(self, parents: list[Result], count: int) -> list[Point]:
        """Distinct new children, at most `count`."""
        progress = len(self.archive.results) / _ROUND
        coarsest = max(_FINEST, _COARSEST * 0.5**progress)
        neighbourhood = Neighbourhood(self._lattice, self._generator, coarsest=coarsest)
        weights = _weights(parents)
        children: dict[Point, None] = {}
        for _ in range(3 * count + 10):
            if len(children) == count:
                break
            first, second = self._generator.choice(len(parents), size=2, p=weights).tolist()
            child = self._child(neighbourhood, parents[first].point, parents[second].point)
            if child is not None and child not in children and self._lattice.is_new(child):
                children[child] = None
        return list(children)

    def _child(self, neighbourhood: Neighbourhood, first: Point, second: Point) -> Point | None:
        move = self._generator.random()
        if move < _SWITCH:
            return neighbourhood.switched(first)
        if move < _SWITCH + _STEP:
            return neighbourhood.stepped(first, 1 if self._generator.random() < 0.5 else -1)
        return neighbourhood.crossed(first, second)

    def _parents(self) -> list[Result]:
        if len(self._context.objectives) > 1:
            return self.archive.front
        feasible = [result for result in self.archive.results if result.excess == 0]
        ranked = sorted(feasible, key=lambda result: result.values)
        return ranked[:_PARENTS] or self.archive.front


def _weights(parents: list[Result]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Odds of parents: the gaps beside them for several objectives, their rank for one."""
    count = len(parents)
    if count == 1 or len(parents[0].values) == 1:
        odds = 1.0 / np.arange(1, count + 1)
        return np.asarray(odds / odds.sum())
    values = np.array([parent.values for parent in parents])
    gaps = np.zeros(count)
    for column in values.T:
        order = np.argsort(column, kind="stable")
        steps = np.diff(column[order]) / (np.ptp(column) or 1.0)
        gaps[order] += np.concatenate([steps, steps[-1:]]) + np.concatenate([steps[:1], steps])
    odds = 0.5 / count + 0.5 * gaps / (gaps.sum() or 1.0)
    return np.asarray(odds / odds.sum())
