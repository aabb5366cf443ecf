"""Handing a trial over as a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import ConfigError, ExportVerificationError
from nas.export import ExportFacts, ExportReport, export_subnet
from nas.study.trial import Trial

if TYPE_CHECKING:
    from nas.study.study import Study


def export_trial(study: Study, trial: Trial, folder: Path, *, overwrite: bool = False) -> ExportReport:
    """Export a trial's sub-network with everything its study knows of it.

    Raises:
        ConfigError: the study has no supernet, or the trial was not evaluated.
        ExportVerificationError: the folder is not equal, or a budget of the study does not hold.
    """
    if study.supernet is None:
        raise ConfigError(
            f"study {study.name!r} was loaded without its supernet; pass supernet= to load_study to export"
        )
    if trial.values is None:
        raise ConfigError(f"trial {trial.number} is {trial.state.value.lower()} and has no result to export")
    broken = [name for name, violation in trial.violations.items() if violation > 0]
    if broken:
        raise ExportVerificationError(
            f"trial {trial.number} breaks the budget {broken[0]!r}; select one that holds it with study.best()"
        )
    evaluators = study.evaluators()
    facts = ExportFacts(
        study=study.name,
        trial=trial.number,
        origin=trial.origin,
        metrics=dict(trial.metrics),
        baseline=study.baseline,
        constraints=tuple(str(constraint) for constraint in study.constraints),
        objectives=tuple(str(objective) for objective in study.objectives),
        target=_target(study),
        data=evaluators[-1] if evaluators else None,
    )
    return export_subnet(study.supernet, trial.config, folder, facts=facts, overwrite=overwrite)


def _target(study: Study) -> dict[str, Any] | None:
    """The target and the device that latencies of this study were measured on."""
    if study.target is None:
        return None
    return {**study.target.describe(), "device_fingerprint": study.device_of_target()}
