"""Telling a sampler its search space changes nothing but the time it takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from nas.search.known_space import KnownSpaceSampler

TRIALS = 30
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "width": IntDistribution(1, 40),
    "depth": IntDistribution(1, 12),
    "heads": IntDistribution(3, 3),
}


def nsga2() -> BaseSampler:
    return NSGAIISampler(population_size=4, seed=0)


def tpe() -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(multivariate=True, n_startup_trials=4, seed=0)


def random() -> BaseSampler:
    return RandomSampler(seed=0)


SAMPLERS = (nsga2, tpe, random)


def run(sampler: BaseSampler) -> list[dict[str, Any]]:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    for number in range(TRIALS):
        trial = study.ask(dict(DISTRIBUTIONS))
        trial.set_constraint("size", trial.params["width"] - 35)
        if number % 7 == 6:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, [trial.params["width"] * trial.params["depth"], trial.params["depth"]])
    return [dict(trial.params) for trial in study.trials]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("make", SAMPLERS)
def test_it_proposes_what_the_sampler_alone_does(make: Callable[[], BaseSampler]) -> None:
    assert run(KnownSpaceSampler(make(), DISTRIBUTIONS)) == run(make())


def test_dimensions_without_a_choice_are_left_to_independent_sampling() -> None:
    study = optuna.create_study()
    trial = optuna.trial.create_trial(value=0.0)
    space = KnownSpaceSampler(random(), DISTRIBUTIONS).infer_relative_search_space(study, trial)
    assert list(space) == ["depth", "width"]


@pytest.mark.parametrize("make", [nsga2, tpe])
def test_the_search_space_is_not_looked_for_in_the_trials(
    make: Callable[[], BaseSampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the trials were looked through")

    monkeypatch.setattr("optuna.search_space.IntersectionSearchSpace.calculate", refuse)
    assert len(run(KnownSpaceSampler(make(), DISTRIBUTIONS))) == TRIALS
