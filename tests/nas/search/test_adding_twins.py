"""Trials of earlier runs are added without copies, and are what Optuna would have made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from nas.objectives import Objective
from nas.search import Proposer, Twin
from search_spaces import SearchSpace

OBJECTIVES = (Objective("accuracy", "max"), Objective("num_parameters", "min"))


def proposer(space: SearchSpace, sampler: str = "evolution") -> Proposer:
    return Proposer(space, OBJECTIVES, sampler=sampler, seed=3)


def points(space: SearchSpace, count: int) -> list[tuple[dict[str, int], str]]:
    generator = np.random.default_rng(0)
    configs = [space.sample(generator) for _ in range(count)]
    return [(space.encode(config), config.key) for config in configs]


def test_added_trials_share_one_dict_of_distributions(space: SearchSpace) -> None:
    filled = proposer(space)
    for parameters, key in points(space, 5):
        filled.add(
            Twin(parameters=parameters, attributes={}, values=(0.5, 1.0), violations={"a": 0.0}, key=key)
        )
    trials = filled.study.get_trials(deepcopy=False)
    assert len({id(trial.distributions) for trial in trials}) == 1
    assert [trial.number for trial in trials] == list(range(5))
    assert all(trial.state is TrialState.COMPLETE for trial in trials)
    assert trials[0].constraints == {"a": 0.0}


def test_a_known_key_changes_no_proposal(space: SearchSpace) -> None:
    def asked(*, with_keys: bool) -> list[Any]:
        filled = proposer(space)
        for index, (parameters, key) in enumerate(points(space, 12)):
            values = (0.5 + index / 50, 100.0 - index)
            filled.add(
                Twin(parameters=parameters, attributes={}, values=values, key=key if with_keys else None)
            )
        return [filled.ask() for _ in range(5)]

    assert asked(with_keys=True) == asked(with_keys=False)


@pytest.mark.parametrize("change", ["missing", "unknown", "too large"])
def test_parameters_that_the_space_does_not_have_are_refused(space: SearchSpace, change: str) -> None:
    (parameters, _), *_ = points(space, 1)
    name = next(iter(parameters))
    if change == "missing":
        del parameters[name]
    elif change == "unknown":
        parameters["layers.99.width"] = 1
    else:
        parameters[name] = 10**6
    with pytest.raises(ValueError, match=r"the space has|allowed are the values of"):
        proposer(space).add(Twin(parameters=parameters, attributes={}))
