"""Pictures of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nas.errors import ConfigError
from nas.objectives import Constraint, parse_constraints
from nas.report import PlotAxis, PlotPoint, PointKind, front_chart, front_svg, write_front
from nas.report.thinning import thinned
from nas.study.history import front_of
from nas.study.trial import Trial
from storage import TrialState

Where: TypeAlias = str | Sequence[str] | None

if TYPE_CHECKING:
    from nas.study.stored_study import StoredStudy

_LABELS: Final = {
    "full": "full model",
    "layer_drop": "layer drop",
    "uniform_ladder": "uniform ladder",
    "random": "random",
}


_MANY: Final[tuple[PointKind, ...]] = ("dominated", "infeasible")
#: Dominated and infeasible points drawn; the front and the baselines are always drawn.
MOST_POINTS: Final = 1000


class StudyPlots:
    """Draws a study; needs the extra `report`."""

    def __init__(self, study: StoredStudy) -> None:
        self._study = study

    def pareto(self, *, selected: Trial | None = None, where: Where = ()) -> Any:
        """The front of the first two objectives as an Altair chart, with baselines and the budget.

        Args:
            selected: a trial to ring.
            where: budgets; those on the first two objectives are drawn.
        """
        points, x, y = self._parts(selected, where)
        return front_chart(points, x=x, y=y, title=f"Pareto front of {self._study.name}")

    def write_front(
        self, stem: str | Path, *, selected: Trial | None = None, where: Where = ()
    ) -> list[Path]:
        """Write the front as `STEM.svg` and `STEM.html`, which needs no network."""
        points, x, y = self._parts(selected, where)
        return write_front(Path(stem), points, x=x, y=y, title=f"Pareto front of {self._study.name}")

    def front_svg(self, *, selected: Trial | None = None, where: Where = ()) -> str:
        """The front as an SVG document."""
        points, x, y = self._parts(selected, where)
        return front_svg(points, x=x, y=y, title=f"Pareto front of {self._study.name}")

    def _parts(self, selected: Trial | None, where: Where) -> tuple[list[PlotPoint], PlotAxis, PlotAxis]:
        study = self._study
        if len(study.objectives) < 2:
            raise ConfigError("a front needs two objectives; this study has one")
        vertical, horizontal = study.objectives[0], study.objectives[1]
        constraints = list(study.constraints)
        constraints += parse_constraints([where] if isinstance(where, str) else list(where or ()))
        trials = study.trials
        front = {trial.number for trial in front_of(trials, study.objectives)}
        chosen = selected.number if selected is not None else None
        shown = [t for t in trials if t.state is TrialState.DONE and t.values is not None]
        points = _fewer([_point(trial, front, chosen) for trial in shown])
        baseline = study.baseline
        return (
            points,
            PlotAxis.of(horizontal, budget=budget_of(horizontal.metric, constraints, baseline)),
            PlotAxis.of(vertical, budget=budget_of(vertical.metric, constraints, baseline)),
        )


def _fewer(points: Sequence[PlotPoint]) -> list[PlotPoint]:
    others = [point for point in points if point.kind in _MANY]
    kept = {point.number for point in thinned(others, MOST_POINTS)}
    return [point for point in points if point.kind not in _MANY or point.number in kept]


def _point(trial: Trial, front: set[int], chosen: int | None) -> PlotPoint:
    assert trial.values is not None
    name = trial.origin.removeprefix("baseline:")
    is_baseline = trial.origin.startswith("baseline:")
    label = _LABELS.get(name, name) if is_baseline else ""
    kind: Any = "front" if trial.number in front else "dominated"
    if not trial.is_feasible:
        kind = "infeasible"
    if is_baseline:
        kind = "baseline"
    if trial.number == chosen:
        kind, label = "selected", f"trial {trial.number}"
    return PlotPoint(
        number=trial.number,
        x=trial.values[1],
        y=trial.values[0],
        kind=kind,
        label=label,
        tooltip={"architecture": trial.architecture, "origin": trial.origin},
    )


def budget_of(metric: str, constraints: Sequence[Constraint], baseline: Mapping[str, float]) -> float | None:
    """The last budget on a metric in the metric's own unit; None without one that is known."""
    for constraint in reversed(constraints):
        if constraint.metric == metric and (not constraint.relative_to_baseline or metric in baseline):
            return constraint.threshold(baseline)
    return None
