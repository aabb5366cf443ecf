"""Sub-networks side by side, with what needed no search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nas.objectives import EXACT_METRICS, MEASURED_METRICS
from nas.study.spec import StudySpec
from nas.study.trial import Trial

if TYPE_CHECKING:
    from nas.service.views.view import StudyView

_UNIFORM: Final = "baseline:uniform_ladder"
_FULL: Final = "baseline:full"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Trials beside the full model and, each of them, the uniform sub-network that costs about as much.

    Attributes:
        cost: metric by which the uniform ones are the nearest.
        full: the full model's trial; None before it was evaluated.
        uniform: one for each trial; None where no uniform sub-network was evaluated.
        dimensions: of the search space, those in which the trials differ, with their values; None for a
            trial outside the space.
    """

    trials: tuple[Trial, ...]
    cost: str
    full: Trial | None
    uniform: tuple[Trial | None, ...]
    dimensions: Mapping[str, tuple[int | None, ...]]


def compare(view: StudyView, numbers: Sequence[int]) -> Comparison:
    """Put trials that there are side by side."""
    trials, baselines = view.trials(numbers), view.baselines()
    cost = cost_metric(view.spec)
    uniform = [one for one in baselines if one.origin == _UNIFORM and cost in one.metrics]
    return Comparison(
        trials=tuple(trials),
        cost=cost,
        full=next((one for one in baselines if one.origin == _FULL), None),
        uniform=tuple(_nearest(trial, uniform, cost) for trial in trials),
        dimensions=_differing(trials),
    )


def cost_metric(spec: StudySpec) -> str:
    """What sub-networks are said to cost: the first objective that is a cost, else their parameters."""
    costs = {**EXACT_METRICS, **MEASURED_METRICS}
    named = (objective.metric for objective in spec.objectives if objective.direction == "min")
    return next((metric for metric in named if metric in costs), "num_parameters")


def _nearest(trial: Trial, uniform: Sequence[Trial], cost: str) -> Trial | None:
    if not uniform or cost not in trial.metrics:
        return None
    return min(uniform, key=lambda one: (abs(one.metrics[cost] - trial.metrics[cost]), one.number))


def _differing(trials: Sequence[Trial]) -> dict[str, tuple[int | None, ...]]:
    names = dict.fromkeys(name for trial in trials for name in trial.parameters)
    rows = {name: tuple(trial.parameters.get(name) for trial in trials) for name in names}
    return {name: row for name, row in rows.items() if len(set(row)) > 1}
