"""Rows of a study's columns in the order that somebody asks for, in pages, and what was chosen among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.errors import ConfigError, InfeasibleError
from nas.objectives import Constraint, parse_constraints
from nas.pareto import Array
from nas.service.views.columns import TrialColumns
from nas.study.selection import Rows, matching_rows
from nas.study.trial import Trial
from storage import TrialState

#: Sorts by the trial's number, besides metrics.
NUMBER = "number"


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where an entry stands in a list, whatever is added to the list.

    Attributes:
        number: of the entry, which decides between equal keys.
        key: that the list is sorted by, ascending; an entry without one comes after all others.
    """

    number: int
    key: float | None = None


@dataclass(frozen=True, kw_only=True)
class OrderedRows:
    """Rows by their keys, then by their numbers.

    Attributes:
        rows: numbers of trials, `(n,)`.
        keys: of each row, ascending, NaN last, `(n,)`.
    """

    rows: Rows
    keys: Array

    def position(self, index: int) -> Position:
        """Where the row at an index stands."""
        key = float(self.keys[index])
        return Position(number=int(self.rows[index]), key=None if np.isnan(key) else key)

    def index_after(self, last: Position) -> int:
        """Index of the first row behind a position, whether or not a row stands there now."""
        key = np.nan if last.key is None else last.key
        first, end = np.searchsorted(self.keys, key, "left"), np.searchsorted(self.keys, key, "right")
        return int(first + np.searchsorted(self.rows[first:end], last.number, "right"))


@dataclass(frozen=True, kw_only=True)
class TrialPage:
    """Some of the trials that were asked for.

    Attributes:
        total: how many there are on all pages.
        last: where the last one stands; None if no other follows it.
    """

    trials: tuple[Trial, ...]
    total: int
    last: Position | None


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
) -> OrderedRows:
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
    name, sign = (sort or NUMBER).removeprefix("-"), -1 if (sort or NUMBER).startswith("-") else 1
    _require(name, [NUMBER, *columns.names], "sort")
    keys = sign * (rows.astype(np.float64) if name == NUMBER else columns.metric(name)[rows])
    order = np.lexsort((rows, keys))  # NaN comes last
    return OrderedRows(rows=rows[order], keys=keys[order])


def _require(name: str, known: Sequence[str], parameter: str) -> None:
    if name not in known:
        raise ConfigError(
            f"{parameter}: {name!r} was not measured in this study; there is {', '.join(known) or 'nothing'}"
        )
