"""Trials of a growing study as columns: a row is the trial of that number."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from nas.objectives import Constraint, Objective
from nas.pareto import Array
from nas.study.history import INTERVAL_METRICS, uncertain_objective
from nas.study.selection import Rows, violations_of
from storage import TrialRecord, TrialRow, TrialState

Mask = npt.NDArray[np.bool_]

STATES: Final = tuple(TrialState)
_CODES: Final = {state: code for code, state in enumerate(STATES)}
_ABSENT: Final = -1
_FIRST_CAPACITY: Final = 256
_BASELINE: Final = "baseline:"


class TrialColumns:
    """States, origins and metrics of trials; those of an open trial may be put anew.

    Attributes:
        count: rows, the numbers that are not known yet among them.
        baseline_origins: by number, of the trials that no search asked for.
    """

    def __init__(self) -> None:
        self.count = 0
        self.baseline_origins: dict[int, str] = {}
        self._states = np.full(_FIRST_CAPACITY, _ABSENT, dtype=np.int8)
        self._ended = np.full(_FIRST_CAPACITY, np.nan)
        self._metrics: dict[str, Array] = {}

    def put(self, rows: Sequence[TrialRow | TrialRecord]) -> None:
        """Take trials in as they are now."""
        if not rows:
            return
        numbers = np.array([row.number for row in rows], dtype=np.intp)
        self._reserve(int(numbers.max()) + 1)
        self._states[numbers] = [_CODES[row.state] for row in rows]
        self._ended[numbers] = [np.nan if r.ended_at is None else r.ended_at.timestamp() for r in rows]
        found = [{**row.costs, **(row.metrics or {})} for row in rows]
        for name in {name for metrics in found for name in metrics} - self._metrics.keys():
            self._metrics[name] = np.full(len(self._states), np.nan)
        for name, column in self._metrics.items():
            column[numbers] = [metrics.get(name, np.nan) for metrics in found]
        self.baseline_origins |= {r.number: r.origin for r in rows if r.origin.startswith(_BASELINE)}

    @property
    def names(self) -> list[str]:
        """Metrics and costs that any trial has, in alphabetical order."""
        return sorted(self._metrics)

    @property
    def metrics(self) -> Mapping[str, Array]:
        """By name, `(count,)`; NaN where a trial has none."""
        return {name: column[: self.count] for name, column in self._metrics.items()}

    @property
    def ended(self) -> Array:
        """When each trial became final, in seconds since 1970, `(count,)`; NaN of an open one."""
        return self._ended[: self.count]

    def metric(self, name: str) -> Array:
        """One metric, `(count,)`, all of it NaN where nothing was measured."""
        column = self._metrics.get(name)
        return np.full(self.count, np.nan) if column is None else column[: self.count]

    def in_state(self, *states: TrialState) -> Mask:
        """Mask `(count,)` of the trials in any of some states; of all known ones without one."""
        own = self._states[: self.count]
        return np.isin(own, [_CODES[state] for state in states]) if states else own != _ABSENT

    def is_final(self, number: int) -> bool:
        """Whether a trial is known to have ended."""
        code = self._states[number] if number < self.count else _ABSENT
        return code != _ABSENT and STATES[code].is_final

    def num_in(self, states: Collection[TrialState] = STATES) -> int:
        """Trials in any of some states."""
        return int(np.count_nonzero(self.in_state(*states)))

    def _reserve(self, count: int) -> None:
        self.count = max(self.count, count)
        capacity = len(self._states)
        if count <= capacity:
            return
        more = max(count, 2 * capacity) - capacity
        self._states = np.concatenate([self._states, np.full(more, _ABSENT, dtype=np.int8)])
        self._ended = np.concatenate([self._ended, np.full(more, np.nan)])
        self._metrics = {n: np.concatenate([c, np.full(more, np.nan)]) for n, c in self._metrics.items()}


def objective_values(columns: TrialColumns, objectives: Sequence[Objective], rows: Rows) -> Array:
    """Objectives of some rows, minimised, `(rows, objectives)`; NaN where one is missing."""
    signs = np.array([objective.minimised(1.0) for objective in objectives])
    values: Array = np.stack([columns.metric(objective.metric)[rows] for objective in objectives], axis=1)
    return np.asarray(values * signs + 0.0)  # no negative zeros


def objective_bounds(
    columns: TrialColumns, objectives: Sequence[Objective], rows: Rows, values: Array
) -> Array:
    """`nas.study.history.bounds_of` of some rows, `(rows, objectives, 2)`."""
    bounds = np.stack([values, values], axis=2)
    uncertain = uncertain_objective(objectives)
    if uncertain is None:
        return bounds
    assert objectives[uncertain].metric in INTERVAL_METRICS
    ratio, low, high = (
        columns.metric(name)[rows] for name in ("latency_ratio", "latency_ratio_low", "latency_ratio_high")
    )
    known = ~np.isnan(low) & ~np.isnan(high) & (ratio > 0)
    own, share = values[known, uncertain], ratio[known]
    ends = np.stack([own * np.minimum(1.0, low[known] / share), own * np.maximum(1.0, high[known] / share)])
    bounds[known, uncertain] = np.sort(ends, axis=0).T
    return bounds


def feasible_rows(
    columns: TrialColumns, rows: Rows, constraints: Sequence[Constraint], baseline: Mapping[str, float]
) -> Mask:
    """Mask of the rows that break none of the budgets that can be judged; see `Trial.is_feasible`."""
    mask = np.ones(len(rows), dtype=np.bool_)
    for constraint in constraints:
        if constraint.relative_to_baseline and constraint.metric not in baseline:
            continue
        column = columns.metric(constraint.metric)[rows]
        mask &= np.isnan(column) | (violations_of(column, constraint, baseline) <= 0)
    return mask
