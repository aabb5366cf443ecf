"""Handing a trial over as a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nas.errors import ConfigError, ExportVerificationError
from nas.evaluation import LatencyEvaluation, LatencyResult, skeleton_of
from nas.export import MAX_SHARD_SIZE, ExportFacts, ExportReport, export_subnet
from nas.export.folder import check_options
from nas.objectives import MEASURED_METRICS, Constraint, parse_constraints
from nas.report import can_draw
from nas.study.compensating import compensated_weights
from nas.study.plots import StudyPlots
from nas.study.recovery import Recovery, as_recovered, ranked_by
from nas.study.recovery_facts import WeightSource, recovery_record, recovery_to_export, told
from nas.study.trial import Trial
from nas.supernet import Supernet
from workers import PairedSamples

if TYPE_CHECKING:
    from nas.study.stored_study import StoredStudy

#: Two measurements of one shape beside different other work may differ by this share.
REPEATABILITY: Final = 0.02


def export_trial(
    study: StoredStudy,
    trial: Trial,
    folder: Path,
    *,
    where: str | Sequence[str] = (),
    weights: WeightSource = "auto",
    formats: Sequence[str] = ("hf",),
    max_shard_size: str = MAX_SHARD_SIZE,
    max_bytes: int | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Export a trial's sub-network with everything its study knows of it.

    Budgets on latency are checked anew: the shape is timed again beside the full model, and the export is
    refused if the lower end of the interval breaks the budget by more than 2 %. Of a target that is reached
    by labels, which this process is not, what the search measured stands.

    Args:
        study: with its supernet.
        trial: evaluated.
        folder: where to.
        where: budgets that the trial was selected by, besides the study's own.
        weights: `recovered` takes those of the best recovery, `supernet` those that were searched, `auto`
            recovered ones if there are any.
        formats: `onnx` and `openvino` besides `hf`, which is always written.
        max_shard_size: weights above it are split over several files.
        max_bytes: what the folder may take at most.
        overwrite: replace an earlier export.

    Raises:
        ConfigError: the study has no supernet, the trial was not evaluated or not recovered, a format is
            unknown or lacks its packages, or the folder became larger than `max_bytes`.
        ExportVerificationError: the folder is not equal, or a budget does not hold; nothing is left behind.
        StorageError: the file of recovered weights is missing or damaged.
    """
    check_options(formats, max_shard_size)  # told before anything is measured
    supernet = study.supernet
    if supernet is None:
        raise ConfigError(
            f"study {study.name!r} was loaded without its supernet; pass supernet= to load_study to export"
        )
    if trial.values is None:
        raise ConfigError(f"trial {trial.number} is {trial.state.value.lower()} and has no result to export")
    recovery = recovery_to_export(trial, weights)
    trial = study.trial(trial.number) if recovery is None else as_recovered(trial, recovery)
    own = compensated_weights(study, trial, supernet) if recovery is None else recovery.weights()
    constraints = _held_constraints(study, trial, where)
    measured = _measure(study, trial, supernet) if _has_latency(constraints) else None
    return export_subnet(
        supernet,
        trial.config,
        folder,
        facts=_facts(study, trial, constraints, measured, recovery),
        formats=formats,
        weights=own,
        max_shard_size=max_shard_size,
        max_bytes=max_bytes,
        front=_front(study, trial, constraints),
        check_budget=lambda _: _broken_latency(constraints, study, measured),
        overwrite=overwrite,
    )


def _front(study: StoredStudy, trial: Trial, constraints: Sequence[Constraint]) -> str | None:
    """The front with the trial in a ring; None without the packages to draw it, or without two objectives."""
    if len(study.objectives) < 2 or not can_draw():
        return None
    return StudyPlots(study).front_svg(selected=trial, where=[str(constraint) for constraint in constraints])


def _held_constraints(study: StoredStudy, trial: Trial, where: str | Sequence[str]) -> list[Constraint]:
    """The study's budgets and those of the selection; raises ExportVerificationError unless all hold."""
    texts = [where] if isinstance(where, str) else list(where)
    constraints = [*study.constraints, *parse_constraints(texts, metrics=tuple(trial.metrics))]
    broken = _broken(constraints, trial.metrics, study.baseline)
    if broken:
        raise ExportVerificationError(
            f"trial {trial.number} breaks the budget {broken[0]!r}; select another with study.best()"
        )
    return constraints


def _facts(
    study: StoredStudy,
    trial: Trial,
    constraints: Sequence[Constraint],
    measured: LatencyResult | None,
    recovery: Recovery | None,
) -> ExportFacts:
    evaluators = study.evaluators()
    extra = {} if measured is None else {"latency_at_export": _summary(measured)}
    return ExportFacts(
        study=study.name,
        trial=trial.number,
        origin=trial.origin,
        metrics=dict(trial.metrics),
        baseline=study.baseline,
        constraints=tuple(str(constraint) for constraint in constraints),
        objectives=tuple(str(objective) for objective in study.objectives),
        target=_target(study),
        data=evaluators[-1] if evaluators else None,
        samples={} if measured is None else _samples(measured),
        workload=study.spec.workload,
        recovery=None if recovery is None else told(recovery, ranked_by(study.spec).metric),
        extra=extra if recovery is None else {**extra, "recovered": recovery_record(recovery)},
    )


def _measure(study: StoredStudy, trial: Trial, supernet: Supernet) -> LatencyResult | None:
    """Time a trial's shape beside the full model's in this process, unless the target is elsewhere."""
    if study.target is None or study.target.labels or trial.config == supernet.full:
        return None
    worker = LatencyEvaluation(target=study.target).factory(skeleton_of(supernet))({})
    result: LatencyResult = worker(trial.config.to_json())
    return result


def _has_latency(constraints: Sequence[Constraint]) -> bool:
    return any(constraint.metric in MEASURED_METRICS for constraint in constraints)


def _broken(
    constraints: Sequence[Constraint], metrics: dict[str, float] | Any, baseline: dict[str, float]
) -> list[str]:
    return [
        str(c) for c in constraints if c.metric not in metrics or c.violation(metrics[c.metric], baseline) > 0
    ]


def _broken_latency(
    constraints: Sequence[Constraint], study: StoredStudy, measured: LatencyResult | None
) -> list[str]:
    """Budgets on latency that the new measurement breaks beyond what two measurements may differ by."""
    if measured is None:
        return []
    baseline, figures = study.baseline, measured.statistics
    low = figures["ratio_low"] * (1 - REPEATABILITY)
    metrics = {"latency_ratio": low, "latency_ms": low * baseline["latency_ms"]}
    upper = [c for c in constraints if c.metric in metrics and c.relation == "<="]
    span = f"{figures['ratio_low']:.3f} to {figures['ratio_high']:.3f}"
    return [f"{name} (measured anew: {span} of the full model)" for name in _broken(upper, metrics, baseline)]


def _summary(measured: LatencyResult) -> dict[str, Any]:
    return {"flag": measured.flag, "device": dict(measured.device), **measured.statistics}


def _samples(measured: LatencyResult) -> dict[str, list[float]]:
    """Raw samples of the measurement made at export, in milliseconds."""
    assert measured.samples is not None
    raw = PairedSamples.from_bytes(measured.samples)
    rows = {"candidate_wall_ms": raw.candidate_wall_ms, "reference_wall_ms": raw.reference_wall_ms}
    return {name: [round(float(value), 5) for value in row] for name, row in rows.items()}


def _target(study: StoredStudy) -> dict[str, Any] | None:
    """The target and the device that latencies of this study were measured on."""
    if study.target is None:
        return None
    return {**study.target.describe(), "device_fingerprint": study.device_of_target()}
