"""Reading a study's ledger: trials, baseline, front, hypervolume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas.objectives import Objective
from nas.pareto import hypervolume, non_dominated
from nas.study.spec import StudySpec
from nas.study.trial import Trial
from search_spaces import SubnetConfig
from storage import TrialRecord, TrialState

if TYPE_CHECKING:
    from nas.study.stored_study import StoredStudy

#: A minimised metric's reference lies this far beyond the full model, so that the full model counts too.
REFERENCE_MARGIN = 1.1


def baseline_metrics(spec: StudySpec, records: Sequence[TrialRecord]) -> dict[str, float]:
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
    is_measured = record.metrics is not None
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


def front_of(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[Trial]:
    """Feasible trials that no other dominates, the best in the first objective first."""
    feasible = [t for t in trials if t.state is TrialState.DONE and t.is_feasible]
    if not feasible:
        return []
    matrix = np.array([minimised(t.values or (), objectives) for t in feasible])
    kept = [trial for trial, is_kept in zip(feasible, non_dominated(matrix), strict=True) if is_kept]
    return sorted(kept, key=lambda trial: minimised(trial.values or (), objectives))


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


def normalised_hypervolume(
    trials: Sequence[Trial], objectives: Sequence[Objective], baseline: Mapping[str, float]
) -> float | None:
    """Hypervolume as a share of the box between reference and ideal (1 of what is maximised, 0 of costs).

    None until the full model was measured. Where a maximised metric exceeds 1 it may exceed 1 too.
    """
    reference = reference_point(objectives, baseline)
    if reference is None:
        return None
    front = front_of(trials, objectives)
    scale = np.array([1.0 if corner == 0.0 else corner for corner in reference])
    if not front:
        return 0.0
    matrix = np.array([minimised(t.values or (), objectives) for t in front]) / scale
    return float(hypervolume(matrix, np.array(reference) / scale))
