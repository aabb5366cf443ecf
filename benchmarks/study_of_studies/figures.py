"""What the ledger says about a cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nas
from benchmarks.study_of_studies.cells import is_computed, is_finished, test_study
from benchmarks.study_of_studies.protocol import REFERENCE, Cell
from benchmarks.study_of_studies.selection import chosen
from nas.pareto import hypervolume
from storage import TrialState


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Results of a cell.

    Attributes:
        hypervolume: of validation error and share of parameters, bounded by `REFERENCE`.
        full_loss: of the full network on validation data.
        full_metric: the same of the metric.
        kept: by threshold, test metric of the chosen sub-network as a share of the unpruned model's; None
            where no sub-network is that small.
        prunable: by threshold, the chosen sub-network's share of the weights inside the blocks.
        passes: of the supernet's training, counted.
        seconds: of the same in the call that ended it.
        code: hash of the source that made the supernet.
    """

    cell: Cell
    hypervolume: float
    full_loss: float
    full_metric: float
    kept: Mapping[float, float | None]
    prunable: Mapping[float, float | None]
    passes: int
    seconds: float
    code: str


def figures(cell: Cell, storage: str) -> Figures | None:
    """Results of a cell, or None while it is not computed."""
    unpruned = f"{cell.task}/unpruned/{cell.seed}"
    if not is_computed(cell, storage) or not is_finished(unpruned, storage):
        return None
    with nas.load_study(cell.name, storage=storage) as study:
        facts: Mapping[str, Any] = study.spec.supernet["provenance"]["cell"]
        baseline, best = study.baseline, chosen(study)
        on_test = _metric_by_key(test_study(cell), storage)
        whole = _metric_by_key(unpruned, storage)[_full_key(unpruned, storage)]
        blocks = baseline["num_prunable_parameters"]
        return Figures(
            cell=cell,
            hypervolume=raw_hypervolume(study),
            full_loss=baseline["loss"],
            full_metric=baseline[study.objectives[0].metric],
            kept={at: None if one is None else on_test[one.key] / whole for at, one in best.items()},
            prunable={
                at: None if one is None else one.metrics["num_prunable_parameters"] / blocks
                for at, one in best.items()
            },
            passes=facts["passes"],
            seconds=facts["seconds"],
            code=facts["code"],
        )


def raw_hypervolume(study: nas.Study) -> float:
    """Of validation error and share of parameters, bounded by `REFERENCE`; at most 1."""
    full = study.spec.full_costs["num_parameters"]
    points = [
        (1 - trial.values[0], trial.metrics["num_parameters"] / full)
        for trial in study.trials
        if trial.state is TrialState.DONE and trial.values is not None
    ]
    return hypervolume(points, REFERENCE)


def _metric_by_key(name: str, storage: str) -> dict[str, float]:
    with nas.load_study(name, storage=storage) as study:
        return {trial.key: trial.values[0] for trial in study.trials if trial.values is not None}


def _full_key(name: str, storage: str) -> str:
    with nas.load_study(name, storage=storage) as study:
        return next(trial.key for trial in study.trials if trial.origin == "baseline:full")
