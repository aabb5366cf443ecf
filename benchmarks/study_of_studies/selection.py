"""The sub-networks that a study's budgets of parameters choose."""

from __future__ import annotations

import nas
from benchmarks.study_of_studies.protocol import THRESHOLDS
from storage import TrialState


def chosen(study: nas.Study) -> dict[float, nas.Trial | None]:
    """By threshold, the trial with the best first objective within it; None where all are larger."""
    full = study.spec.full_costs["num_parameters"]
    done = [trial for trial in study.trials if trial.state is TrialState.DONE and trial.values is not None]

    def best(threshold: float) -> nas.Trial | None:
        within = [trial for trial in done if trial.metrics["num_parameters"] <= threshold * full]
        return max(within, key=_value, default=None)

    return {threshold: best(threshold) for threshold in THRESHOLDS}


def _value(trial: nas.Trial) -> float:
    assert trial.values is not None
    return trial.values[0]
