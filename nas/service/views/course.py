"""The front and the hypervolume of a growing study, kept up to date by many trials at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.objectives import Objective
from nas.pareto import Array, GrowingHypervolume, TieFront
from nas.study.history import reference_point, scale_of, uncertain_objective
from nas.study.selection import Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """A trial that enlarged the hypervolume.

    Attributes:
        told: trials that had become final by then, itself among them.
        at: when it became final, in seconds since 1970.
        value: hypervolume from then on.
    """

    number: int
    told: int
    at: float
    value: float


@dataclass(frozen=True, kw_only=True)
class Told:
    """Trials that became final one after the other: evaluated, and within every budget.

    Attributes:
        numbers: `(n,)`.
        told: of each, how many trials had become final by then, `(n,)`.
        at: when each became final, in seconds since 1970, `(n,)`.
        values: of the objectives, minimised, `(n, objectives)`.
        bounds: their lower and upper ends, `(n, objectives, 2)`.
    """

    numbers: Rows
    told: Rows
    at: Array
    values: Array
    bounds: Array


class Course:
    """Front and hypervolume of the trials seen so far.

    What a chunk of trials costs beyond one pass over it depends on how many of them are better than all
    before: the others are dropped together.

    Args:
        objectives: of the study.
        baseline: metrics of the full model; without them there is no hypervolume.
    """

    def __init__(self, objectives: Sequence[Objective], baseline: Mapping[str, float]) -> None:
        self._front: TieFront[int] = TieFront(len(objectives), uncertain=uncertain_objective(objectives))
        reference = reference_point(objectives, baseline)
        self._scale = None if reference is None else scale_of(reference)
        self._volume = None if reference is None else GrowingHypervolume(reference / scale_of(reference))
        self.gains: list[Gain] = []

    @property
    def front(self) -> tuple[int, ...]:
        """Numbers of the trials on the front."""
        return self._front.ids

    @property
    def hypervolume(self) -> float | None:
        """As `nas.study.history.normalised_hypervolume`."""
        return None if self._volume is None else self._volume.value

    def add(self, told: Told, *, chunk: int = 512) -> None:
        """Take trials in, in the order in which they became final."""
        for first in range(0, len(told.numbers), chunk):
            rows = slice(first, first + chunk)
            self._add_to_front(told.numbers[rows], told.bounds[rows])
            self._add_to_volume(told, range(first, min(first + chunk, len(told.numbers))))

    def _add_to_front(self, numbers: Rows, bounds: Array) -> None:
        for row in np.flatnonzero(~self._front.shadows(bounds)):
            self._front.add(bounds[row], int(numbers[row]))

    def _add_to_volume(self, told: Told, rows: range) -> None:
        if self._volume is None or self._scale is None:
            return
        scaled = told.values[rows.start : rows.stop] / self._scale
        for row in np.flatnonzero(~self._volume.covers(scaled)):
            if self._volume.add(scaled[row]) > 0:
                index = rows[row]
                self.gains.append(
                    Gain(
                        number=int(told.numbers[index]),
                        told=int(told.told[index]),
                        at=float(told.at[index]),
                        value=self._volume.value,
                    )
                )
