"""Choosing trials under budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.errors import ConfigError, InfeasibleError
from nas.objectives import Constraint, Objective
from nas.study.history import minimised
from nas.study.trial import Trial


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
    worst = {t.number: _worst(t, constraints, baseline) for t in trials}
    feasible = [t for t in trials if worst[t.number][0] <= 0]
    if feasible:
        return sorted(feasible, key=lambda t: (minimised(t.values or (), objectives), t.number))
    nearest = min(trials, key=lambda t: worst[t.number][0])
    binding = worst[nearest.number][1]
    assert binding is not None
    reached = _reached(nearest, [binding, *constraints])
    all_of_them = " and ".join(repr(str(constraint)) for constraint in constraints)
    breaks = f", which breaks {str(binding)!r}" if len(constraints) > 1 else ""
    raise InfeasibleError(
        f"none of {len(trials)} evaluated sub-networks meets {all_of_them}; the nearest is trial "
        f"{nearest.number} with {reached}{breaks}",
        str(binding),
        f"trial {nearest.number}: {reached}",
    )


def _reached(trial: Trial, constraints: Sequence[Constraint]) -> str:
    """What a trial has of each constrained metric."""
    metrics = dict.fromkeys(constraint.metric for constraint in constraints)
    return ", ".join(f"{metric} = {trial.metrics[metric]:.6g}" for metric in metrics)


def _worst(
    trial: Trial, constraints: Sequence[Constraint], baseline: Mapping[str, float]
) -> tuple[float, Constraint | None]:
    """The most broken constraint of a trial, and how far."""
    worst: tuple[float, Constraint | None] = (0.0, None)
    for constraint in constraints:
        if constraint.metric not in trial.metrics:
            measured = ", ".join(sorted(trial.metrics))
            raise ConfigError(f"{constraint.metric} was not measured in this study; there is {measured}")
        violation = constraint.violation(trial.metrics[constraint.metric], baseline)
        if worst[1] is None or violation > worst[0]:
            worst = (violation, constraint)
    return worst
