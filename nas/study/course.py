"""The front and the hypervolume of a growing study, kept up to date by one trial or many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from nas.objectives import Objective
from nas.pareto import Array, GrowingHypervolume, Points, TieFront
from nas.study.history import reference_point, scale_of, uncertain_objective
from nas.study.selection import Rows

#: Trials that are compared at once with all that came before.
_CHUNK: Final = 512


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Trials that were evaluated to the end and hold every budget, in the order in which they ended.

    Attributes:
        numbers: `(n,)`.
        values: of the objectives, minimised, `(n, objectives)`.
        bounds: their lower and upper ends, `(n, objectives, 2)`.
    """

    numbers: Rows
    values: Array
    bounds: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Enlarged:
    """A trial that enlarged the hypervolume.

    Attributes:
        row: of the trials that were taken in.
        hypervolume: from then on.
    """

    row: int
    hypervolume: float


class Course:
    """Front and hypervolume of the trials seen so far.

    Args:
        objectives: of the study.
        baseline: metrics of the full model; without them there is no hypervolume.
    """

    def __init__(self, objectives: Sequence[Objective], baseline: Mapping[str, float]) -> None:
        self._front: TieFront[int] = TieFront(len(objectives), uncertain=uncertain_objective(objectives))
        reference = reference_point(objectives, baseline)
        self._scale = 1.0 if reference is None else scale_of(reference)
        self._volume = None if reference is None else GrowingHypervolume(reference / scale_of(reference))

    @property
    def front(self) -> tuple[int, ...]:
        """Numbers of the trials on the front, in the order in which they came."""
        return self._front.ids

    @property
    def hypervolume(self) -> float | None:
        """As `nas.study.history.normalised_hypervolume`; None without the full model's metrics."""
        return None if self._volume is None else self._volume.value

    def add(self, number: int, values: Points, bounds: Points) -> float:
        """Take a trial in; returns what it added to the hypervolume.

        Args:
            number: of the trial.
            values: of its objectives, minimised, `(objectives,)`.
            bounds: their lower and upper ends, `(objectives, 2)`.
        """
        self._front.add(bounds, number)
        return 0.0 if self._volume is None else self._volume.add(np.asarray(values) / self._scale)

    def add_all(self, trials: Evaluated) -> list[Enlarged]:
        """Take trials in; returns those that enlarged the hypervolume.

        What they cost beyond one pass over them depends on how many are better than all before: the others
        are dropped together.
        """
        found: list[Enlarged] = []
        for first in range(0, len(trials.numbers), _CHUNK):
            rows = slice(first, first + _CHUNK)
            is_worse = self._front.shadows(trials.bounds[rows])
            if self._volume is not None:
                is_worse &= self._volume.covers(trials.values[rows] / self._scale)
            for row in (first + np.flatnonzero(~is_worse)).tolist():
                added = self.add(int(trials.numbers[row]), trials.values[row], trials.bounds[row])
                if self._volume is not None and added > 0:
                    found.append(Enlarged(row=row, hypervolume=self._volume.value))
        return found
