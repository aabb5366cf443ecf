"""One study as the service shows it: columns that answer, and only the trials of a page read in full."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from nas.errors import InfeasibleError
from nas.objectives import Constraint, parse_constraints
from nas.pareto import non_dominated_up_to_ties
from nas.report.thinning import thinned
from nas.service.views.columns import objective_bounds, objective_values
from nas.service.views.comparison import Comparison, compare
from nas.service.views.importances import Importances, Shares
from nas.service.views.live import Gain
from nas.service.views.live_view import LiveView
from nas.service.views.marks import Mark, marks_of
from nas.service.views.pages import (
    Choice,
    OrderedRows,
    Position,
    TrialPage,
    checked_constraints,
    ordered_rows,
)
from nas.service.views.summary import Summary
from nas.study.ledger_errors import translated
from nas.study.recovery import recovered_trials, recovery_of
from nas.study.report.baselines import Gain as BaselineGain
from nas.study.report.baselines import gains_over
from nas.study.selection import Candidates, Rows, infeasible_error, matching_rows, select_rows
from nas.study.trial import Trial
from storage import Ledger, StudyStatus, TrialState

_ENDED: Final = (TrialState.DONE, TrialState.FAILED, TrialState.PAUSED)


class StudyView(LiveView):
    """Everything that is shown of a study; threads may share it. `StudyViews` makes and refreshes it."""

    def __init__(self, ledger: Ledger, status: StudyStatus) -> None:
        super().__init__(ledger, status)
        self._importances = Importances()

    def page(
        self,
        where: Sequence[str] = (),
        sort: str | None = None,
        states: Collection[TrialState] = (),
        offset: int = 0,
        limit: int = 50,
    ) -> TrialPage:
        """Trials that were measured and hold constraints, by number or as told.

        Args:
            where: constraints such as `latency_ms <= 6`.
            sort: `METRIC` or `number` ascending, with a `-` before it descending.
            states: any of them; empty allows all.
            offset: trials before the first.
            limit: at most so many.

        Raises:
            ConfigError: a constraint that does not parse, or a metric that the study does not have.
        """
        return self._page(self._ordered(where, sort, states), offset, limit)

    def page_after(
        self,
        last: Position,
        where: Sequence[str] = (),
        sort: str | None = None,
        states: Collection[TrialState] = (),
        limit: int = 50,
    ) -> TrialPage:
        """As `page`, of the trials behind a position: none is seen twice or missed, however many come."""
        ordered = self._ordered(where, sort, states)
        return self._page(ordered, ordered.index_after(last), limit)

    def rows(
        self, where: Sequence[str] = (), sort: str | None = None, states: Collection[TrialState] = ()
    ) -> Rows:
        """Numbers of the trials of all pages; see `page`."""
        return self._ordered(where, sort, states).rows

    def _ordered(self, where: Sequence[str], sort: str | None, states: Collection[TrialState]) -> OrderedRows:
        def find() -> OrderedRows:
            constraints = checked_constraints(where, self.metrics)
            return ordered_rows(self._live.columns, constraints, self.baseline, sort=sort, states=states)

        return self._remembered(("rows", tuple(where), sort, frozenset(states)), find)

    def _page(self, ordered: OrderedRows, offset: int, limit: int) -> TrialPage:
        total = len(ordered.rows)
        end = offset + limit
        return TrialPage(
            trials=tuple(self.trials(ordered.rows[offset:end].tolist())),
            total=total,
            last=ordered.position(end - 1) if end < total else None,
        )

    def front(self, where: Sequence[str] = ()) -> list[Trial]:
        """Members of the front that hold constraints, the best in the first objective first.

        Raises:
            ConfigError: a constraint that does not parse, or a metric that the study does not have.
        """

        def find() -> list[int]:
            columns, rows = self._live.columns, np.array(sorted(self._live.course.front), dtype=np.intp)
            constraints = checked_constraints(where, self.metrics)
            rows = rows[matching_rows(columns.metrics, constraints, self.baseline, columns.count)[rows]]
            values = objective_values(columns, self.objectives, rows)
            found: list[int] = rows[np.lexsort((rows, *values.T[::-1]))].tolist()
            return found

        return self.trials(self._remembered(("front", tuple(where)), find))

    def select(self, where: Sequence[str] = (), *, recovered: bool = False) -> Trial:
        """The best trial in the first objective that meets the study's budgets and more.

        Args:
            where: constraints such as `latency_ms <= 6`.
            recovered: choose among recovered sub-networks, by their scores after recovery.

        Raises:
            InfeasibleError: none does; it names the binding constraint and the nearest trial.
            ConfigError: a constraint that does not parse, or a metric that was not measured.
        """
        choice = self.choose(where, recovered=recovered)
        if choice.error is not None:
            raise choice.error
        assert choice.best is not None
        return choice.best

    def choose(self, where: Sequence[str] = (), *, recovered: bool = False) -> Choice:
        """As `select`, but an answer where nothing meets the budgets.

        Raises:
            ConfigError: a constraint that does not parse, or a metric that was not measured.
        """
        trials = self._recovered() if recovered else None
        with self._lock:
            candidates = self._candidates() if trials is None else Candidates.of(trials, self.objectives)
            if not candidates.numbers.size:
                return Choice(best=None, error=self._nothing(recovered=recovered))
            constraints = [*self.constraints, *parse_constraints(where, metrics=list(candidates.metrics))]
            if error := self._not_known_yet(constraints):
                return Choice(best=None, error=error)
            selection = select_rows(candidates, constraints, self.baseline)
        row = int(selection.rows[0]) if selection.nearest is None else selection.nearest
        chosen = self.trial(int(candidates.numbers[row])) if trials is None else trials[row]
        if selection.nearest is None:
            return Choice(best=chosen)
        return Choice(best=None, nearest=chosen, error=infeasible_error(candidates, constraints, selection))

    def hypervolume_curve(self, limit: int = 1000) -> list[Gain]:
        """Trials that enlarged the hypervolume, evenly thinned, the first and the last among them."""
        with self._lock:
            return thinned(self._live.gains, limit)

    def points(self, limit: int = 2000, where: Sequence[str] = ()) -> list[Mark]:
        """Marks of a plot; the best within the study's budgets and `where` is the selected one.

        Raises:
            ConfigError: a constraint that does not parse, or a metric that was not measured.
        """
        best = self.choose(where).best
        selected = None if best is None else best.number

        def find() -> list[Mark]:
            with self._lock:
                marks = marks_of(self._live, self.spec, limit=limit, selected=selected)
            texts = self._trials.architectures([mark.number for mark in marks])
            return [replace(mark, architecture=text) for mark, text in zip(marks, texts, strict=True)]

        return self._remembered_unlocked(("points", limit, selected), find)

    def baselines(self) -> list[Trial]:
        """Evaluated sub-networks that were no search's idea, the full model among them."""
        return self.trials(self._remembered("baselines", self._baseline_numbers))

    def gains(self) -> list[BaselineGain]:
        """Each baseline against the best that the search found at no greater cost."""

        def find() -> list[int]:
            rows = np.setdiff1d(self._live.done, self._baseline_numbers())
            rows = rows[self._live.feasible(rows)]
            values = objective_values(self._live.columns, self.objectives, rows)
            bounds = objective_bounds(self._live.columns, self.objectives, rows, values)
            mask = non_dominated_up_to_ties(bounds) if rows.size else np.zeros(0, dtype=np.bool_)
            rows, values = rows[mask], values[mask]
            found: list[int] = rows[np.lexsort((rows, *values.T[::-1]))].tolist()
            return found

        searched = self.trials(self._remembered("searched", find))
        return gains_over(self.baselines(), searched, self.objectives)

    def importances(self) -> Shares:
        """Which dimensions decide each objective, as of now or of a tenth fewer trials."""
        return self._importances.of(self)

    def compare(self, numbers: Sequence[int]) -> Comparison:
        """Trials that there are side by side, with the full model and uniform sub-networks."""
        return compare(self, numbers)

    def summary(self) -> Summary:
        """The study in one card."""
        best, status, columns = self.choose().best, self._status, self._live.columns
        supernet, target = self.spec.supernet, self.spec.target
        with self._lock:
            return Summary(
                name=status.name,
                state=status.state.value,
                reason=status.reason,
                account=status.account,
                model=str(supernet.get("provenance", {}).get("source") or "not recorded"),
                task=str(supernet.get("task", "not recorded")),
                target=None if target is None else target.name,
                objectives=tuple(map(str, self.objectives)),
                constraints=tuple(map(str, self.constraints)),
                num_trials=columns.num_in(),
                num_evaluated=columns.num_in(_ENDED),
                num_front=len(self._live.course.front),
                hypervolume=self.hypervolume,
                best=best,
                created_at=status.created_at,
            )

    def _candidates(self) -> Candidates:
        def find() -> Candidates:
            rows, columns = self._live.done, self._live.columns
            metrics = {name: column[rows] for name, column in columns.metrics.items()}
            return Candidates(
                numbers=rows,
                values=objective_values(columns, self.objectives, rows),
                metrics={n: column for n, column in metrics.items() if not np.isnan(column).all()},
            )

        return self._remembered("candidates", find)

    def _recovered(self) -> list[Trial]:
        """Recovered sub-networks with the scores of their best recovery."""
        with translated():
            records = self._ledger.recoveries(self._status.id)
        recoveries = [recovery_of(self._trials.study, record) for record in records]
        numbers = sorted({one.trial for one in recoveries if one.kind == "recovered"})
        trials = [t for t in self.trials(numbers) if t.state is TrialState.DONE and t.values is not None]
        return recovered_trials(trials, recoveries)

    def _nothing(self, *, recovered: bool) -> InfeasibleError:
        kind = "recovered" if recovered else "evaluated"
        return InfeasibleError(f"study {self._status.name!r} has no {kind} sub-network yet")

    def _not_known_yet(self, constraints: Sequence[Constraint]) -> InfeasibleError | None:
        """Why budgets cannot be judged while the full model, which they refer to, was not evaluated."""
        for one in constraints:
            if one.relative_to_baseline and one.metric not in self.baseline:
                text = f"{str(one)!r} refers to the full model, which has not been evaluated yet"
                return InfeasibleError(text, str(one))
        return None

    def _baseline_numbers(self) -> list[int]:
        return sorted(set(self._live.done.tolist()) & self._live.columns.baseline_origins.keys())
