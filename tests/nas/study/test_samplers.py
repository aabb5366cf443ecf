"""Every sampler searches a study that is stored, and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nas.search import known_samplers
from nas.study import Study

MakeStudy = Callable[..., Study]
OWN = ("local_search", "evolution", "greedy", "grid")
BUDGET = "num_prunable_parameters <= 0.6 * baseline"


@pytest.mark.parametrize("space", ["medium", "staged"])
@pytest.mark.parametrize("sampler", [name for name in known_samplers() if name != "gp"])
def test_a_search_in_two_runs_is_that_of_one(
    make_study: MakeStudy, counted: Any, sampler: str, space: str
) -> None:
    options = {"deterministic": True, "parallel": 1, "constraints": [BUDGET], "enqueue": ("full", "middle")}
    histories = []
    for name, totals in (("whole", (14,)), ("parts", (9, 14))):
        study = make_study(name, sampler=sampler, space=space, **options)
        for total in totals:
            study.optimize(counted.evaluator, total)
        histories.append([(trial.key, trial.state) for trial in study.trials])
    assert histories[0] == histories[1]


@pytest.mark.parametrize("sampler", OWN)
def test_our_own_samplers_propose_nothing_known_nor_over_budget(
    make_study: MakeStudy, counted: Any, sampler: str
) -> None:
    study = make_study(sampler=sampler, space="medium", constraints=[BUDGET])
    study.optimize(counted.evaluator, 25)
    proposed = [trial.state.value for trial in study.trials if trial.origin == "sampler"]
    assert set(proposed) == {"DONE"}
    assert len(proposed) > 10


def test_a_gaussian_process_searches_a_budgeted_study(make_study: MakeStudy, counted: Any) -> None:
    study = make_study(sampler="gp", constraints=[BUDGET])
    study.optimize(counted.evaluator, 26)
    assert sum(trial.state.value == "DONE" for trial in study.trials) == 26
