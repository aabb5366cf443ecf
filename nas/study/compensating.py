"""The weights that a study's evaluations gave a sub-network, computed again for its export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from nas.compensation import Compensation, Recipe
from nas.errors import ConfigError
from nas.study.trial import Trial
from nas.supernet import Supernet

if TYPE_CHECKING:
    from nas.study.stored_study import StoredStudy


def compensation_of(study: StoredStudy) -> Mapping[str, Any] | None:
    """What the study's evaluator recorded of its compensation; None where it evaluated slices."""
    evaluators = study.evaluators()
    record: Mapping[str, Any] | None = evaluators[-1].get("compensation") if evaluators else None
    return record


def compensated_weights(
    study: StoredStudy, trial: Trial, supernet: Supernet
) -> dict[str, torch.Tensor] | None:
    """Weights in place of a trial's slices, in the supernet's own precision; None where it has none.

    Raises:
        ConfigError: the supernet remembers other calibration data than the evaluations used.
    """
    record = compensation_of(study)
    if record is None:
        return None
    recipe = Recipe.of(supernet, Compensation.from_json(record))
    if recipe.sha256 != record["sha256"]:
        raise ConfigError(
            f"study {study.name!r} compensated its sub-networks with other calibration data than this "
            "supernet remembers; pass load_study the supernet that was searched, as it was saved"
        )
    return recipe.compensator(supernet).weights(trial.config) or None
