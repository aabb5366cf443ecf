"""Trials as lines of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nas.figures import figure, latency
from nas.service.web.study_query import Order
from nas.study import Trial
from storage import TrialState

_NOTES: Final[Mapping[TrialState, str]] = {TrialState.PAUSED: "stopped early; estimates"}
_LONGEST_NOTE: Final = 120


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading of the table.

    Attributes:
        sort: what it sorts by, empty where it does not.
        order: how the table is sorted by it now.
        query: fields of the address that sort by it.
    """

    title: str
    is_number: bool = False
    sort: str = ""
    order: Order | None = None
    query: str = ""


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A line of the table.

    Attributes:
        note: a word on why a state is what it is.
        cells: of the metrics' columns.
    """

    number: int
    state: str
    note: str
    architecture: str
    cells: tuple[str, ...]
    origin: str
    is_feasible: bool


def trial_row(trial: Trial, metrics: Sequence[str]) -> TrialRow:
    """A line with some metrics."""
    note = _NOTES.get(trial.state, "")
    if trial.state is TrialState.DONE and not trial.is_feasible:
        note = "over budget"
    if trial.state in (TrialState.FAILED, TrialState.INFEASIBLE):
        note = (trial.reason or "")[:_LONGEST_NOTE]
    return TrialRow(
        number=trial.number,
        state=trial.state.value.lower(),
        note=note,
        architecture=trial.architecture,
        cells=tuple(written(trial, name) for name in metrics),
        origin=trial.origin,
        is_feasible=trial.is_feasible,
    )


def written(trial: Trial, metric: str) -> str:
    """A metric of a trial with its unit, a latency with half its interval; a dash where there is none."""
    if metric not in trial.metrics:
        return "–"
    if metric == "latency_ms":
        return latency(trial.metrics)
    return figure(metric, trial.metrics[metric])
