"""What an address of a study's page asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from nas.service.problems import ProblemError
from nas.service.views import StudyView
from nas.service.web.budgets import Budget, budget, budget_metrics, where_texts
from storage import TrialState

PAGE: Final = 25
_MOST: Final = 10**9
_SELECTION: Final = ("where", "state", "sort", "offset", "x", "y")


@dataclass(frozen=True, kw_only=True)
class StudyQuery:
    """Budgets, filter, order and axes of the page.

    Attributes:
        where: all budgets and the filter, in the grammar of constraints.
        filter: the free text among them.
        state: of the trials in the table; empty for any.
        sort: as `StudyView.page` takes it; empty for the order of trials.
        offset: trials before the first one in the table.
        x: metric of the horizontal axis.
        y: metric of the vertical axis.
        given: the address's fields that are not empty.
    """

    budgets: tuple[Budget, ...]
    where: tuple[str, ...]
    filter: str
    state: str
    sort: str
    offset: int
    x: str
    y: str
    given: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def states(self) -> tuple[TrialState, ...]:
        """As `StudyView.page` takes them."""
        return (TrialState(self.state),) if self.state else ()

    def address(self, **changes: str | int) -> str:
        """The fields of the address with others in their places, for a link."""
        kept = [(name, value) for name, value in self.given if name not in changes]
        return urlencode([*kept, *((name, str(value)) for name, value in changes.items() if value != "")])


def study_query(view: StudyView, params: QueryParams) -> StudyQuery:
    """Read an address.

    Raises:
        ProblemError: 422, a field that is no number or names what the study does not have.
    """
    given = {name: value.strip() for name, value in params.items()}
    budgets = tuple(_budgets(view, given))
    texts = [text.strip() for text in params.getlist("where") if text.strip()]
    axes = _axes(view)
    names = {"seen", *_SELECTION, *(one.name for one in budgets)}
    kept = [(name, value.strip()) for name, value in params.multi_items() if value.strip()]
    return StudyQuery(
        budgets=budgets,
        where=tuple(where_texts(budgets, texts)),
        filter=" ".join(texts) if len(texts) < 2 else "\n".join(texts),
        state=_choice("state", given, ["", *(state.value for state in TrialState)], ""),
        sort=_sort(view, given.get("sort", "")),
        offset=_offset(given.get("offset", "")),
        x=_choice("x", given, axes, axes[min(1, len(axes) - 1)]),
        y=_choice("y", given, axes, axes[0]),
        given=tuple((name, value) for name, value in kept if name in names and name != "seen"),
    )


def _axes(view: StudyView) -> list[str]:
    return [objective.metric for objective in view.objectives]


def _budgets(view: StudyView, given: Mapping[str, str]) -> list[Budget]:
    found = []
    for metric, bound in budget_metrics(view.objectives, view.constraints, view.metrics).items():
        span = _span(view, metric)
        if span is not None:
            found.append(budget(metric, bound, span, given))
    return found


def _span(view: StudyView, metric: str) -> tuple[float, float] | None:
    """Least and largest value among the evaluated trials."""
    if metric not in view.metrics:
        return None
    ends = [
        trial.metrics[metric]
        for sort in (metric, f"-{metric}")
        for trial in view.page(sort=sort, states=(TrialState.DONE,), limit=1).trials
        if metric in trial.metrics
    ]
    return (ends[0], ends[1]) if len(ends) == 2 else None


def _choice(name: str, given: Mapping[str, str], allowed: list[str], default: str) -> str:
    value = given.get(name) or default
    if value not in allowed:
        listed = ", ".join(filter(None, allowed))
        raise ProblemError(422, "not-allowed", f"{name}: got {value[:60]!r}; allowed are {listed}")
    return value


def _sort(view: StudyView, text: str) -> str:
    names = ["number", *view.metrics]
    return _choice("sort", {"sort": text}, ["", *names, *(f"-{name}" for name in names)], "")


def _offset(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        return 0
    return min(int(text[:10]), _MOST) // PAGE * PAGE


Order = Literal["ascending", "descending"]
