"""Reading a study's ledger: trials, baseline, front, hypervolume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from nas.objectives import Objective
from nas.pareto import Array, hypervolume, non_dominated_up_to_ties
from nas.study.spec import StudySpec
from nas.study.trial import Trial
from search_spaces import SubnetConfig
from storage import TrialRecord, TrialRow, TrialState

if TYPE_CHECKING:
    from nas.study.stored_study import StoredStudy

#: A minimised metric's reference lies this far beyond the full model, so that the full model counts too.
REFERENCE_MARGIN = 1.1
#: Metrics that are known up to the interval of the latency's ratio.
INTERVAL_METRICS: Final = ("latency_ms", "latency_ratio")
_INTERVAL: Final = ("latency_ratio", "latency_ratio_low", "latency_ratio_high")


def baseline_metrics(spec: StudySpec, records: Sequence[TrialRecord | TrialRow]) -> dict[str, float]:
    """Costs of the full model, and its measurements once they are known."""
    for record in records:
        if record.origin == "baseline:full" and record.metrics is not None:
            return {**record.costs, **record.metrics}
    return dict(spec.full_costs)


def trial_of(
    study: StoredStudy, spec: StudySpec, record: TrialRecord, baseline: Mapping[str, float]
) -> Trial:
    """A ledger row as a trial."""
    metrics = {**record.costs, **(record.metrics or {})}
    is_measured = record.metrics is not None and record.state is not TrialState.PAUSED
    names = [objective.metric for objective in spec.objectives]
    values = (
        tuple(metrics[name] for name in names) if is_measured and all(n in metrics for n in names) else None
    )
    constraints = [c for c in spec.constraints if not c.relative_to_baseline or c.metric in baseline]
    return Trial(
        number=record.number,
        key=record.key,
        config=SubnetConfig.from_json(record.config),
        parameters={name: int(value) for name, value in record.parameters.items()},
        state=record.state,
        origin=record.origin,
        metrics=metrics,
        values=values,
        violations=spec.violations(metrics, baseline, constraints),
        reason=record.reason if record.message is None else f"{record.reason}: {record.message}",
        attempts=record.attempts,
        study=study,
    )


def baseline_of(trials: Sequence[Trial], spec: StudySpec) -> dict[str, float]:
    """Metrics of the full model among trials."""
    full = next((t for t in trials if t.origin == "baseline:full" and t.values is not None), None)
    return dict(spec.full_costs) if full is None else dict(full.metrics)


def minimised(values: Sequence[float], objectives: Sequence[Objective]) -> list[float]:
    """Objective values with their signs such that smaller is better."""
    return [objective.minimised(value) for objective, value in zip(objectives, values, strict=True)]


def feasible_of(trials: Sequence[Trial]) -> list[Trial]:
    """Trials that a front is made of: evaluated to the end, and within every budget."""
    return [trial for trial in trials if trial.state is TrialState.DONE and trial.is_feasible]


def front_of(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[Trial]:
    """The front of the feasible trials, the best in the first objective first.

    Latencies whose intervals overlap are ties: see `nas.pareto.ties`.
    """
    feasible = feasible_of(trials)
    if not feasible:
        return []
    uncertain = uncertain_objective(objectives)
    mask = non_dominated_up_to_ties([bounds_of(trial, objectives, uncertain) for trial in feasible])
    kept = [trial for trial, is_kept in zip(feasible, mask, strict=True) if is_kept]
    return sorted(kept, key=lambda trial: minimised(trial.values or (), objectives))


def uncertain_objective(objectives: Sequence[Objective]) -> int | None:
    """Index of the objective with intervals: the first latency; None where there is none.

    Another latency beside it is the same measurement in another unit and counts at its point value.
    """
    return next((i for i, objective in enumerate(objectives) if objective.metric in INTERVAL_METRICS), None)


def bounds_of(trial: Trial, objectives: Sequence[Objective], uncertain: int | None) -> list[list[float]]:
    """Minimised lower and upper ends of an evaluated trial's objectives, `(objectives, 2)`.

    A latency without an interval, such as the full model's ratio to itself, is exact.
    """
    bounds = [[value, value] for value in minimised(trial.values or (), objectives)]
    metrics = trial.metrics
    has_interval = all(name in metrics for name in _INTERVAL) and metrics["latency_ratio"] > 0
    if uncertain is not None and has_interval:
        objective = objectives[uncertain]
        value, ratio = metrics[objective.metric], metrics["latency_ratio"]
        low = value * min(1.0, metrics["latency_ratio_low"] / ratio)
        high = value * max(1.0, metrics["latency_ratio_high"] / ratio)
        bounds[uncertain] = sorted((objective.minimised(low), objective.minimised(high)))
    return bounds


def reference_point(objectives: Sequence[Objective], baseline: Mapping[str, float]) -> list[float] | None:
    """The declared reference of the hypervolume, minimised: 0 of what is maximised, 1.1 times the full
    model of what is minimised. None until the full model was measured.
    """
    point = []
    for objective in objectives:
        if objective.metric not in baseline:
            return None
        point.append(0.0 if objective.direction == "max" else REFERENCE_MARGIN * baseline[objective.metric])
    return point


def scale_of(reference: Sequence[float]) -> Array:
    """What objectives are divided by, such that the box between reference and ideal has volume 1."""
    return np.array([1.0 if corner == 0.0 else corner for corner in reference])


def normalised_hypervolume(
    trials: Sequence[Trial], objectives: Sequence[Objective], baseline: Mapping[str, float]
) -> float | None:
    """Hypervolume as a share of the box between reference and ideal (1 of what is maximised, 0 of costs).

    It is that of all feasible trials at their point values, ties or not, so that no trial can lower it.
    None until the full model was measured. Where a maximised metric exceeds 1 it may exceed 1 too.
    """
    reference = reference_point(objectives, baseline)
    if reference is None:
        return None
    feasible = feasible_of(trials)
    if not feasible:
        return 0.0
    scale = scale_of(reference)
    matrix = np.array([minimised(trial.values or (), objectives) for trial in feasible]) / scale
    return hypervolume(matrix, np.array(reference) / scale)
