"""The archive is a function of the trials, however often and in which order they were read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from nas.objectives import Objective
from nas.search.known_space import distributions_of
from nas.search.samplers import Archive, Point
from nas.search.samplers.archive import parameters_of
from search_spaces import SearchSpace

OBJECTIVES = (Objective("accuracy", "max"), Objective("num_prunable_parameters", "min"))
SMALL: Point = (0, 1, 1, 1, 1, 1, 1)
LARGE: Point = (0, 4, 16, 4, 16, 4, 16)
OTHER: Point = (0, 2, 8, 2, 8, 2, 8)


@pytest.fixture
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(directions=["maximize", "minimize"])


@pytest.fixture
def add(study: optuna.Study, medium: SearchSpace) -> Callable[..., None]:
    def add_trial(point: Point, values: Any = None, violations: Any = None, *, is_open: bool = False) -> None:
        state = TrialState.COMPLETE if values else TrialState.RUNNING if is_open else TrialState.FAIL
        attributes = {f"constraints:{name}": value for name, value in (violations or {}).items()}
        trial = create_trial(
            state=state,
            params=parameters_of(medium, point),
            distributions=dict(distributions_of(medium)),
            values=values,
            system_attrs=attributes,
        )
        study.add_trial(trial)

    return add_trial


def read(study: optuna.Study, space: SearchSpace) -> Archive:
    archive = Archive(space, OBJECTIVES)
    archive.read(study)
    return archive


def test_points_and_parameters_are_two_spellings(medium: SearchSpace) -> None:
    assert Archive(medium, OBJECTIVES).point_of(parameters_of(medium, OTHER)) == OTHER


def test_values_are_minimised(study: optuna.Study, medium: SearchSpace, add: Callable[..., None]) -> None:
    add(SMALL, (0.7, 10.0))
    assert [result.values for result in read(study, medium).results] == [(-0.7, 10.0)]


def test_the_front_leaves_out_what_is_dominated_or_breaks_a_constraint(
    study: optuna.Study, medium: SearchSpace, add: Callable[..., None]
) -> None:
    add(SMALL, (0.5, 10.0), {"accuracy >= 0.6": 0.1})
    add(OTHER, (0.7, 20.0), {"accuracy >= 0.6": -0.1})
    add(LARGE, (0.7, 30.0), {"accuracy >= 0.6": -0.1})
    assert [result.number for result in read(study, medium).front] == [1]


def test_while_all_break_a_constraint_the_front_is_the_nearest(
    study: optuna.Study, medium: SearchSpace, add: Callable[..., None]
) -> None:
    add(SMALL, (0.5, 10.0), {"accuracy >= 0.9": 0.4})
    add(LARGE, (0.8, 30.0), {"accuracy >= 0.9": 0.1})
    assert [result.number for result in read(study, medium).front] == [1]


def test_a_repeated_sub_network_counts_once(
    study: optuna.Study, medium: SearchSpace, add: Callable[..., None]
) -> None:
    add(SMALL, (0.5, 10.0))
    add(SMALL, (0.5, 10.0))
    archive = read(study, medium)
    assert [result.number for result in archive.results] == [0]
    assert [result.number for result in archive.front] == [0]


def test_failed_and_open_trials_are_known_but_no_results(
    study: optuna.Study, medium: SearchSpace, add: Callable[..., None]
) -> None:
    add(SMALL)
    add(LARGE, is_open=True)
    archive = read(study, medium)
    assert len(archive.keys) == 2
    assert archive.results == []
    assert archive.pending == [LARGE]


def test_reading_in_pieces_and_out_of_order_gives_the_same(
    study: optuna.Study, medium: SearchSpace, add: Callable[..., None]
) -> None:
    piecewise = Archive(medium, OBJECTIVES)
    add(SMALL, is_open=True)
    add(OTHER, is_open=True)
    piecewise.read(study)
    study.tell(1, (0.7, 20.0))
    piecewise.read(study)
    add(LARGE, (0.9, 30.0))
    study.tell(0, (0.5, 10.0))
    piecewise.read(study)
    whole = read(study, medium)
    assert piecewise.results == whole.results
    assert piecewise.front == whole.front
    assert piecewise.keys == whole.keys
    assert piecewise.pending == whole.pending == []
