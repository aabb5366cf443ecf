"""What the trials of a study have shown so far, read once each."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from nas.objectives import Objective
from nas.pareto import Front
from search_spaces import SearchSpace

#: Index of the value in each dimension of the space, in the space's order.
Point: TypeAlias = "tuple[int, ...]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A sub-network that was evaluated.

    Attributes:
        number: of its trial, the first one where it was asked for again.
        values: objective values, all minimised.
        violations: by constraint, at most 0 where it holds.
    """

    number: int
    point: Point
    values: tuple[float, ...]
    violations: Mapping[str, float]

    @property
    def excess(self) -> float:
        """Sum of what breaks constraints; 0 where all hold."""
        return sum(max(violation, 0.0) for violation in self.violations.values())


class Archive:
    """Trials as points of a space; a function of the study's trials, however often they were read.

    Attributes:
        keys: of all sub-networks that were asked for, whatever became of them.
        results: those that were evaluated, by number.
        known_keys: keys of trials that were not read yet, by number; they need no decoding.
    """

    def __init__(self, space: SearchSpace, objectives: Sequence[Objective]) -> None:
        self._space, self._objectives = space, tuple(objectives)
        self.keys: set[str] = set()
        self.results: list[Result] = []
        self.known_keys: dict[int, str] = {}
        self._indices = [
            (d.name, {d.to_parameter(value): index for index, value in enumerate(d.values)})
            for d in space.dimensions
        ]
        self._by_number: dict[int, Result] = {}
        self._evaluated: set[str] = set()
        self._front: Front[int] = Front(len(self._objectives))
        self._open: list[int] = []
        self._pending: dict[int, Point] = {}
        self._num_read = 0

    def read(self, study: Study) -> None:
        """Take in trials that are new, or that were open at the last reading."""
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        waiting = [*self._open, *range(self._num_read, len(trials))]
        self._open, self._num_read = [], len(trials)
        for number in waiting:
            self._take(trials[number])

    def point_of(self, parameters: Mapping[str, int]) -> Point:
        """The point that flat parameters stand for."""
        return tuple(index_of[parameters[name]] for name, index_of in self._indices)

    @property
    def pending(self) -> list[Point]:
        """Points under evaluation, by number."""
        return [self._pending[number] for number in sorted(self._pending)]

    @property
    def front(self) -> list[Result]:
        """Results that keep all constraints and that no other dominates, by number.

        While none keeps them, the one that breaks them least.
        """
        if len(self._front):
            return [self._by_number[number] for number in sorted(self._front.ids)]
        return sorted(self.results, key=lambda result: result.excess)[:1]

    def _take(self, trial: FrozenTrial) -> None:
        is_open = not trial.state.is_finished()
        if is_open:
            self._open.append(trial.number)
        if (is_open and trial.number in self._pending) or len(trial.params) < len(self._space.dimensions):
            return
        self._pending.pop(trial.number, None)
        obeying = self._space.repaired({name: int(trial.params[name]) for name, _ in self._indices})
        key = self.known_keys.pop(trial.number, None) or self._space.decode(obeying).key
        self.keys.add(key)
        point = self.point_of(obeying)
        if is_open:
            self._pending[trial.number] = point
        elif trial.state is TrialState.COMPLETE and key not in self._evaluated:
            self._evaluated.add(key)
            self._add(trial, point)

    def _add(self, trial: FrozenTrial, point: Point) -> None:
        pairs = zip(self._objectives, trial.values, strict=True)
        result = Result(
            number=trial.number,
            point=point,
            values=tuple(objective.minimised(value) for objective, value in pairs),
            violations=dict(trial.constraints),
        )
        insort(self.results, result, key=lambda one: one.number)
        self._by_number[result.number] = result
        if result.excess == 0:
            self._front.add(result.values, result.number)


def parameters_of(space: SearchSpace, point: Point) -> dict[str, int]:
    """Flat parameters of a point."""
    return {d.name: d.to_parameter(d.values[i]) for d, i in zip(space.dimensions, point, strict=True)}
