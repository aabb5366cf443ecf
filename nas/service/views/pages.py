"""Rows of a study's columns in the order that somebody asks for, and what was chosen among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.errors import ConfigError, InfeasibleError
from nas.objectives import Constraint, parse_constraints
from nas.service.views.columns import TrialColumns
from nas.study.selection import Rows, matching_rows
from nas.study.trial import Trial
from storage import TrialState

#: Sorts by the trial's number, besides metrics.
NUMBER = "number"


@dataclass(frozen=True, kw_only=True)
class TrialPage:
    """Some of the trials that were asked for.

    Attributes:
        total: how many there are on all pages.
    """

    trials: tuple[Trial, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was selected under budgets.

    Attributes:
        best: the best in the first objective; None where no sub-network meets the budgets.
        nearest: the one that then comes nearest; None where nothing was evaluated either.
        error: why nothing was selected.
    """

    best: Trial | None
    nearest: Trial | None = None
    error: InfeasibleError | None = None


def checked_constraints(where: Sequence[str], names: Sequence[str]) -> tuple[Constraint, ...]:
    """Constraints on metrics that a study has.

    Raises:
        ConfigError: one that does not parse, or is on another metric.
    """
    constraints = parse_constraints(where, metrics=names)
    for constraint in constraints:
        _require(constraint.metric, names, "where")
    return constraints


def ordered_rows(
    columns: TrialColumns,
    constraints: Sequence[Constraint],
    baseline: Mapping[str, float],
    *,
    sort: str | None,
    states: Collection[TrialState],
) -> Rows:
    """Rows that hold the constraints, by number or as told; those that lack the metric come last.

    Args:
        columns: of the study.
        constraints: on metrics that it has.
        baseline: metrics of its full model.
        sort: `METRIC` ascending, `-METRIC` descending.
        states: any of them; empty allows all.

    Raises:
        ConfigError: a metric that the study does not have, or a share of a baseline that is not known.
    """
    mask = columns.in_state(*states) & matching_rows(columns.metrics, constraints, baseline, columns.count)
    rows = np.flatnonzero(mask)
    if sort is None:
        return rows
    name, sign = sort.removeprefix("-"), -1 if sort.startswith("-") else 1
    _require(name, [NUMBER, *columns.names], "sort")
    values = rows.astype(np.float64) if name == NUMBER else columns.metric(name)[rows]
    return rows[np.lexsort((rows, sign * values))]  # NaN comes last


def _require(name: str, known: Sequence[str], parameter: str) -> None:
    if name not in known:
        raise ConfigError(
            f"{parameter}: {name!r} was not measured in this study; there is {', '.join(known) or 'nothing'}"
        )
