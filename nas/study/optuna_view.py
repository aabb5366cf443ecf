"""A study's ledger as a real Optuna study."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial

from nas.search import directions_of, distribution_of
from nas.study.spec import StudySpec
from search_spaces import Dimension
from storage import TrialRecord, TrialState


def optuna_study(
    records: Sequence[TrialRecord], spec: StudySpec, baseline: Mapping[str, float], name: str
) -> optuna.Study:
    """Every trial under its own number, with constraints, costs and measurements as attributes.

    A paused one is pruned: its estimates are attributes, not values.
    """
    study = optuna.create_study(study_name=name, directions=directions_of(spec.objectives))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([objective.metric for objective in spec.objectives])
    stored: Mapping[str, Sequence[int]] = spec.space["dimensions"]
    distributions = {name: distribution_of(Dimension(name, tuple(values))) for name, values in stored.items()}
    for record in records:
        metrics = {**record.costs, **(record.metrics or {})}
        names = [objective.metric for objective in spec.objectives]
        has_result = record.metrics is not None and record.state is not TrialState.PAUSED
        is_measured = has_result and all(n in metrics for n in names)
        parameters = {name: int(value) for name, value in record.parameters.items()}
        trial = create_trial(
            state=_state(record.state, is_measured=is_measured),
            params=parameters,
            distributions={name: distributions[name] for name in parameters},
            values=[metrics[n] for n in names] if is_measured else None,
            user_attrs={**metrics, **_facts(record)},
            system_attrs=dict(record.sampler_attributes),
            constraints=spec.violations(
                metrics, baseline, spec.constraints if is_measured else spec.exact_constraints
            ),
        )
        trial.datetime_start = _local(record.created_at)
        if trial.state.is_finished():
            trial.datetime_complete = _local(record.ended_at or record.created_at)
        study.add_trial(trial)
    return study


def _facts(record: TrialRecord) -> dict[str, Any]:
    facts = {"key": record.key, "origin": record.origin, "state": record.state.value, "reason": record.reason}
    return {name: fact for name, fact in facts.items() if fact is not None}


def _local(at: datetime) -> datetime:
    """As Optuna keeps times: those of this machine, without a zone."""
    return at.astimezone().replace(tzinfo=None)


def _state(state: TrialState, *, is_measured: bool) -> OptunaState:
    if is_measured:
        return OptunaState.COMPLETE
    if state in (TrialState.PROPOSED, TrialState.RUNNING):
        return OptunaState.RUNNING
    is_pruned = state in (TrialState.INFEASIBLE, TrialState.PAUSED)
    return OptunaState.PRUNED if is_pruned else OptunaState.FAIL
