"""A search on Ray whose worker is killed in the middle of an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.study import Study
from storage import Ledger, StudyState, TrialState

pytestmark = [pytest.mark.slow, pytest.mark.alone]

MakeStudy = Callable[..., Study]
TOTAL = 24


def results(study: Study) -> list[Any]:
    return [(t.number, t.key, t.parameters, t.state, t.metrics) for t in study.trials]


def deadly(marker: Path) -> Callable[[Any], float]:
    """A score function that kills its own process when it first sees a certain sub-network."""

    def score(model: Any) -> float:
        import math
        import os
        import signal

        size = sum(parameter.numel() for parameter in model.parameters())
        if len(model.bert.encoder.layer) == 2 and not marker.exists():
            marker.write_text(str(size))
            os.kill(os.getpid(), signal.SIGKILL)
        return 0.5 + 0.4 * math.sin(size / 997)

    return score


def test_the_killed_trial_runs_again_and_the_results_are_those_of_a_serial_search(
    make_study: MakeStudy, tmp_path: Path, ledger: Ledger
) -> None:
    from workers import RayPool

    unarmed, armed = tmp_path / "unarmed", tmp_path / "armed"
    unarmed.touch()
    serial = make_study("serial", deterministic=True, sampler="nsga2")
    serial.optimize(deadly(unarmed), TOTAL)
    distributed = make_study("distributed", deterministic=True, sampler="nsga2")
    score = deadly(armed)
    distributed.optimize(_unshared(score), TOTAL, workers=RayPool(num_workers=2))

    assert results(distributed) == results(serial)
    assert distributed.state is StudyState.COMPLETED
    evaluated = [t for t in distributed.trials if t.state is TrialState.DONE]
    repeated = [trial for trial in evaluated if trial.attempts != 1]
    assert len(evaluated) == TOTAL
    assert [(t.attempts, t.metrics["num_parameters"]) for t in repeated] == [(2, float(armed.read_text()))]
    outcomes = [a.outcome for a in ledger.attempts(ledger.study("distributed").id, repeated[0].number)]
    assert outcomes == ["worker_lost", "completed"]


def _unshared(score: Callable[[Any], float]) -> Any:
    """Of a version of its own, so that the serial search's results are not reused."""
    import nas

    return nas.ScoreEvaluator(score=score, metrics=("accuracy",), version="on Ray")
