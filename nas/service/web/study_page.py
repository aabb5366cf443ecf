"""What a study's page shows, put together for its templates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from nas.errors import InfeasibleError
from nas.service.views import Mark, StudyView, TrialPage
from nas.service.web.commands import Commands, selection_commands
from nas.service.web.environment import metric_title, segment
from nas.service.web.plots.curve import Curve, curve
from nas.service.web.plots.scatter import KINDS, LINKED, NAMES, PlotAxes, PlotValue, Scatter, scatter
from nas.service.web.standing import Standing
from nas.service.web.study_query import PAGE, Order, StudyQuery
from nas.service.web.trial_rows import Column, TrialRow, trial_row, written
from nas.study import Trial
from storage import TrialState

_MARKS: Final = 2000
_BARS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Infeasible:
    """Why nothing was selected."""

    detail: str
    binding: str | None
    nearest: str | None


class StudyPage:
    """A study under the budgets of an address.

    Args:
        view: of the study.
        standing: how it stands.
        query: what the address asks for.
        server: address of the service, for commands.
    """

    states = tuple(state.value for state in TrialState)

    def __init__(self, view: StudyView, standing: Standing, query: StudyQuery, server: str) -> None:
        self._view, self.query, self._server = view, query, server
        self.summary, self.job_id, self.is_live = view.summary(), standing.job_id, standing.is_live
        self.name = self.summary.name
        self.base = f"/studies/{segment(self.name)}"
        self.budgets, self.filter = query.budgets, query.filter
        self.state, self.sort, self.offset = query.state, query.sort, query.offset
        self.x, self.y = query.x, query.y

    @property
    def axes_choice(self) -> list[str]:
        """Metrics that an axis can have."""
        return [objective.metric for objective in self._view.objectives]

    @property
    def objectives_text(self) -> str:
        """Objectives and budgets in a sentence."""
        text = "Searched for: " + ", ".join(self.summary.objectives)
        if self.summary.constraints:
            text += "; budgets: " + ", ".join(self.summary.constraints)
        return text

    @property
    def announcement(self) -> str:
        """Where the search stands, also read out when it changes."""
        summary = self.summary
        volume = "" if summary.hypervolume is None else f", hypervolume {summary.hypervolume:.4f}"
        return (
            f"{summary.num_evaluated:,} of {summary.num_trials:,} proposed trials evaluated, "
            f"{summary.num_front} on the front{volume}."
        )

    @cached_property
    def seen(self) -> str:
        """Changes with everything that the page shows."""
        state = (self._view.last_event, self.summary.state, self.is_live, self.query.given)
        return hashlib.sha256(repr(state).encode()).hexdigest()[:16]

    @cached_property
    def _choice(self) -> Trial | Infeasible | None:
        if not len(self._view.done()):
            return None
        try:
            return self._view.select(self.query.where)
        except InfeasibleError as error:
            return Infeasible(detail=_sentence(str(error)), binding=error.binding, nearest=error.nearest)

    @property
    def selected(self) -> Trial | None:
        """The best within the budgets."""
        return self._choice if isinstance(self._choice, Trial) else None

    @property
    def infeasible(self) -> Infeasible | None:
        """Why there is none."""
        return self._choice if isinstance(self._choice, Infeasible) else None

    @property
    def selected_facts(self) -> list[tuple[str, str]]:
        """Metrics of the selected trial in words."""
        assert self.selected is not None
        return [(metric_title(name), written(self.selected, name)) for name in self._metrics]

    @cached_property
    def plot(self) -> Scatter | None:
        """The Pareto plot."""
        objectives = {objective.metric: objective for objective in self._view.objectives}
        limits = {one.metric: one.value for one in self.budgets if one.value is not None}
        axes = PlotAxes(x=objectives[self.x], y=objectives[self.y], budgets=limits)
        where = self.query.where
        within = set(self._view.rows(where).tolist()) if where else None
        marks = self._view.points(limit=_MARKS, where=where)
        order = self.axes_choice
        values = [_plot_value(mark, (order.index(self.x), order.index(self.y)), within) for mark in marks]
        return scatter(values, axes)

    @cached_property
    def curve(self) -> Curve | None:
        """Hypervolume over trials."""
        gains = self._view.hypervolume_curve(400)
        if not gains:
            return None
        return curve([*((g.told, g.value) for g in gains), (self._view.num_told, gains[-1].value)])

    @property
    def curve_text(self) -> str:
        """The curve in a sentence."""
        gains = self._view.hypervolume_curve(400)
        return (
            f"Hypervolume over {self._view.num_told:,} trials that ended: {gains[-1].value:.4f}, last "
            f"raised by trial {gains[-1].number} when {gains[-1].told:,} had ended."
        )

    @cached_property
    def table(self) -> TrialPage:
        """Trials of the table."""
        query = self.query
        return self._view.page(query.where, query.sort or None, query.states, query.offset, PAGE)

    @cached_property
    def _metrics(self) -> list[str]:
        """Metrics that have a column: of objectives and budgets."""
        names = [*self.axes_choice, *(one.metric for one in self.budgets)]
        return list(dict.fromkeys(name for name in names if name in self._view.metrics))

    @property
    def columns(self) -> list[Column]:
        """Headings of the table."""
        return [
            self._column("Trial", "number", is_number=False),
            Column(title="State"),
            Column(title="Architecture"),
            *(self._column(metric_title(name), name) for name in self._metrics),
            Column(title="Origin"),
        ]

    @property
    def rows(self) -> list[TrialRow]:
        """Lines of the table."""
        return [trial_row(trial, self._metrics) for trial in self.table.trials]

    @property
    def pages(self) -> list[tuple[str, str]]:
        """Links to other pages of the table: title and fields of the address."""
        before, behind = self.offset - PAGE, self.offset + PAGE
        found = [("First", 0), ("Previous", before)] if before >= 0 else []
        if behind < self.table.total:
            found += [("Next", behind), ("Last", (self.table.total - 1) // PAGE * PAGE)]
        return [(title, self.query.address(offset=offset)) for title, offset in found]

    @property
    def csv(self) -> str:
        """Address of the whole table as CSV."""
        fields = [("where", text) for text in self.query.where]
        fields += [("sort", self.sort)] if self.sort else []
        return f"/api/v1{self.base}/trials.csv?{urlencode(fields)}"

    @property
    def commands(self) -> Commands:
        """What gives the same selection elsewhere."""
        return selection_commands(self.name, self.query.where, self._server)

    def _column(self, title: str, name: str, *, is_number: bool = True) -> Column:
        order: Order | None = None
        if self.sort.removeprefix("-") == name:
            order = "descending" if self.sort.startswith("-") else "ascending"
        following = f"-{name}" if order == "ascending" else name
        return Column(
            title=title,
            is_number=is_number,
            sort=name,
            order=order,
            query=self.query.address(sort=following, offset=""),
        )


def importance_bars(
    importances: Mapping[str, Mapping[str, float]],
) -> Iterator[tuple[str, list[tuple[str, float, float]]]]:
    """By objective, the largest dimensions with their shares and lengths of their bars."""
    for objective, shares in importances.items():
        most = max(shares.values(), default=0.0) or 1.0
        largest = sorted(shares.items(), key=lambda item: -item[1])[:_BARS]
        if largest:
            yield objective, [(name, share, share / most) for name, share in largest]


def _plot_value(mark: Mark, axes: tuple[int, int], within: set[int] | None) -> PlotValue:
    return PlotValue(
        number=mark.number,
        x=mark.values[axes[0]],
        y=mark.values[axes[1]],
        kind=mark.kind,
        name=mark.label or ("best in budget" if mark.kind == "selected" else ""),
        architecture=mark.architecture,
        is_out=within is not None and mark.number not in within,
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def context(page: StudyPage, *, oob: bool = False) -> dict[str, Any]:
    """Values of the templates of a study's page."""
    return {"page": page, "oob": oob, "kinds": KINDS[::-1], "names": NAMES, "linked": LINKED}
