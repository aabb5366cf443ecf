"""Choosing sub-networks under budgets, over columns of metrics: of a list of trials or of a whole study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError, InfeasibleError
from nas.objectives import Constraint, Objective
from nas.pareto import Array
from nas.study.history import minimised
from nas.study.trial import Trial

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Evaluated sub-networks as columns of equal length.

    Attributes:
        numbers: of their trials, `(n,)`.
        values: of the objectives, minimised, `(n, objectives)`.
        metrics: by name, `(n,)`; NaN where one was not measured.
    """

    numbers: Rows
    values: Array
    metrics: Mapping[str, Array]

    @staticmethod
    def of(trials: Sequence[Trial], objectives: Sequence[Objective]) -> Candidates:
        """Of trials that were evaluated to the end."""
        names = {name for trial in trials for name in trial.metrics}
        return Candidates(
            numbers=np.array([trial.number for trial in trials], dtype=np.intp),
            values=np.array([minimised(trial.values or (), objectives) for trial in trials]),
            metrics={n: np.array([t.metrics.get(n, np.nan) for t in trials]) for n in sorted(names)},
        )


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What candidates meet the constraints, and where none does, which comes nearest.

    Attributes:
        rows: of those that do, the best in the first objective first.
        nearest: row of the candidate whose most broken constraint is broken least; None if any meets all.
        binding: that constraint.
    """

    rows: Rows
    nearest: int | None = None
    binding: Constraint | None = None


def select_rows(
    candidates: Candidates, constraints: Sequence[Constraint], baseline: Mapping[str, float]
) -> Selection:
    """The rows of at least one candidate that meet all constraints.

    Raises:
        ConfigError: a constraint on a metric that was not measured.
    """
    broken = np.array([_measured_violations(candidates, one, baseline) for one in constraints])
    worst = broken.max(axis=0, initial=-np.inf) if len(constraints) else np.zeros(len(candidates.numbers))
    feasible = np.flatnonzero(worst <= 0)
    if feasible.size:
        keys = (candidates.numbers, *candidates.values.T[::-1])
        return Selection(rows=feasible[np.lexsort([key[feasible] for key in keys])])
    nearest = int(np.argmin(worst))
    return Selection(rows=feasible, nearest=nearest, binding=constraints[int(np.argmax(broken[:, nearest]))])


def infeasible_error(
    candidates: Candidates, constraints: Sequence[Constraint], selection: Selection
) -> InfeasibleError:
    """Why nothing was selected."""
    assert selection.nearest is not None
    assert selection.binding is not None
    number, binding = int(candidates.numbers[selection.nearest]), selection.binding
    reached = _reached(candidates, selection.nearest, [binding, *constraints])
    all_of_them = " and ".join(repr(str(constraint)) for constraint in constraints)
    breaks = f", which breaks {str(binding)!r}" if len(constraints) > 1 else ""
    return InfeasibleError(
        f"none of {len(candidates.numbers)} evaluated sub-networks meets {all_of_them}; the nearest is trial "
        f"{number} with {reached}{breaks}",
        str(binding),
        f"trial {number}: {reached}",
    )


def within_budget(
    trials: Sequence[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    baseline: Mapping[str, float],
) -> list[Trial]:
    """Evaluated trials that meet all constraints, the best in the first objective first.

    Raises:
        InfeasibleError: none does; it names the binding constraint and the nearest trial.
        ConfigError: a constraint on a metric that was not measured.
    """
    candidates = Candidates.of(trials, objectives)
    selection = select_rows(candidates, constraints, baseline)
    if selection.nearest is not None:
        raise infeasible_error(candidates, constraints, selection)
    return [trials[row] for row in selection.rows]


def matching_rows(
    metrics: Mapping[str, Array], constraints: Sequence[Constraint], baseline: Mapping[str, float], count: int
) -> npt.NDArray[np.bool_]:
    """Mask of the `count` rows that were measured and hold every constraint.

    Raises:
        ConfigError: a share of a baseline that is not known.
    """
    mask = np.ones(count, dtype=np.bool_)
    for constraint in constraints:
        mask &= violations_of(metrics[constraint.metric], constraint, baseline) <= 0
    return mask


def violations_of(values: Array, constraint: Constraint, baseline: Mapping[str, float]) -> Array:
    """`Constraint.violation` of each value; NaN where the value is.

    Raises:
        ConfigError: a share of a baseline that is not known.
    """
    bound, largest = constraint.threshold(baseline), np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        excess = values - bound if constraint.relation == "<=" else bound - values
        scaled = np.clip(excess / (abs(bound) or 1.0), -largest, largest)
    return np.where(excess > 0, np.maximum(scaled, np.nextafter(0.0, 1.0)), scaled)


def _measured_violations(
    candidates: Candidates, constraint: Constraint, baseline: Mapping[str, float]
) -> Array:
    column = candidates.metrics.get(constraint.metric)
    if column is None or np.isnan(column).any():
        measured = ", ".join(sorted(_measured_by_all(candidates)))
        raise ConfigError(f"{constraint.metric} was not measured in this study; there is {measured}")
    return violations_of(column, constraint, baseline)


def _measured_by_all(candidates: Candidates) -> list[str]:
    return [name for name, column in candidates.metrics.items() if not np.isnan(column).any()]


def _reached(candidates: Candidates, row: int, constraints: Sequence[Constraint]) -> str:
    """What a candidate has of each constrained metric."""
    metrics = dict.fromkeys(constraint.metric for constraint in constraints)
    return ", ".join(f"{metric} = {candidates.metrics[metric][row]:.6g}" for metric in metrics)
