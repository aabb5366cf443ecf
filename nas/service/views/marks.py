"""What a plot of a study shows: few enough marks to draw, the same ones at each look."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from nas.service.views.columns import objective_values
from nas.service.views.live import LiveStudy
from nas.study.selection import Rows
from nas.study.spec import StudySpec
from storage import TrialState

MarkKind: TypeAlias = Literal["front", "dominated", "infeasible", "paused", "baseline", "selected"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A sub-network in a plot.

    Attributes:
        values: of the objectives in their order; estimates of a paused one.
        label: of a baseline, who asked for it in words; else empty.
        architecture: its sizes in short.
    """

    number: int
    values: tuple[float, ...]
    kind: MarkKind
    label: str
    architecture: str = ""


def marks_of(live: LiveStudy, spec: StudySpec, *, limit: int, selected: int | None) -> list[Mark]:
    """Marks by number: the front, all baselines and the selected trial, and a share of the others.

    Of the others are shown those whose number is a multiple of the least power of two that leaves no more
    than `limit`, so that a study that grows keeps what is shown or halves it.
    """
    done = live.done
    paused = np.flatnonzero(live.columns.in_state(TrialState.PAUSED))
    front, baselines = set(live.course.front), set(live.columns.baseline_origins)
    always = front | baselines | ({selected} if selected is not None else set())
    rows = np.sort(np.concatenate([done, paused]))
    shown = _thinned(rows, always, limit)
    values = objective_values(live.columns, spec.objectives, shown)
    complete = ~np.isnan(values).any(axis=1)
    shown, values = shown[complete], values[complete]
    signs = [objective.minimised(1.0) for objective in spec.objectives]
    feasible, is_paused = live.feasible(shown), np.isin(shown, paused)
    return [
        Mark(
            number=number,
            values=tuple(sign * value for sign, value in zip(signs, own, strict=True)),
            kind=_kind(number, front, baselines, selected, is_feasible=bool(ok), is_paused=bool(early)),
            label=_label(live.columns.baseline_origins.get(number, "")),
        )
        for number, own, ok, early in zip(shown.tolist(), values.tolist(), feasible, is_paused, strict=True)
    ]


def _thinned(rows: Rows, always: Collection[int], limit: int) -> Rows:
    is_kept = np.isin(rows, list(always))
    others, room = rows[~is_kept], max(0, limit - int(is_kept.sum()))
    stride = 1
    while np.count_nonzero(others % stride == 0) > room and stride <= rows.size:
        stride *= 2
    if stride > rows.size:
        return rows[is_kept]
    return np.sort(np.concatenate([rows[is_kept], others[others % stride == 0]]))


def _kind(
    number: int,
    front: Collection[int],
    baselines: Collection[int],
    selected: int | None,
    *,
    is_feasible: bool,
    is_paused: bool,
) -> MarkKind:
    """A baseline that is on the front is a member of it, so that the front's line runs through it."""
    if number == selected:
        return "selected"
    if number in front:
        return "front"
    if is_paused:
        return "paused"
    if number in baselines:
        return "baseline"
    return "dominated" if is_feasible else "infeasible"


def _label(origin: str) -> str:
    return "full model" if origin == "baseline:full" else origin.rpartition(":")[2].replace("_", " ")
