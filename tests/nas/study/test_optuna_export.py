"""What Optuna reads of an exported study is what the study says of itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import optuna
import pytest

import nas
from nas.study import Study
from storage import Ledger, TrialState

MakeStudy = Callable[..., Study]


@pytest.fixture
def searched(make_study: MakeStudy, counted: Any) -> Study:
    """Without a budget."""
    study = make_study(sampler="random", space="medium")
    study.optimize(counted.evaluator, 24)
    return study


def exported(study: Study, tmp_path: Any, **options: Any) -> optuna.Study:
    url = f"sqlite:///{tmp_path}/optuna.db"
    assert study.export_optuna(url, **options) == len(study.trials)
    return optuna.load_study(study_name=options.get("name", study.name), storage=url)


def test_values_parameters_and_directions_are_those_of_the_study(searched: Study, tmp_path: Any) -> None:
    theirs = exported(searched, tmp_path)
    assert [direction.name for direction in theirs.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert theirs.metric_names == ["accuracy", "num_parameters"]
    assert [(t.params, t.user_attrs["key"]) for t in theirs.trials] == [
        (t.parameters, t.key) for t in searched.trials
    ]
    evaluated = [t for t in searched.trials if t.state is TrialState.DONE]
    assert [tuple(t.values) for t in theirs.trials if t.values] == [t.values for t in evaluated]


def test_the_best_trials_are_those_of_the_study(searched: Study, tmp_path: Any) -> None:
    theirs = exported(searched, tmp_path)
    assert {t.number for t in theirs.best_trials} == {t.number for t in searched.best_trials}


def test_times_are_those_of_the_trials(searched: Study, tmp_path: Any, ledger: Ledger) -> None:
    theirs = exported(searched, tmp_path)
    record = ledger.trial(ledger.study(searched.name).id, 7)
    assert theirs.trials[7].datetime_start is not None
    assert theirs.trials[7].datetime_start.astimezone(UTC) == record.created_at
    assert isinstance(theirs.trials[7].datetime_complete, datetime)


def test_constraints_are_read_as_constraints(make_study: MakeStudy, counted: Any, tmp_path: Any) -> None:
    study = make_study(sampler="random", space="medium", constraints=["accuracy >= 0.6"])
    study.optimize(counted.evaluator, 20)
    theirs = exported(study, tmp_path, name="copy")
    ours = {t.number: t.violations for t in study.trials if t.state is TrialState.DONE}
    assert {t.number: t.constraints for t in theirs.trials if t.values} == ours
    assert {t.number for t in theirs.best_trials} == {t.number for t in study.best_trials}


def test_a_name_that_is_taken_is_a_config_error(searched: Study, tmp_path: Any) -> None:
    exported(searched, tmp_path)
    with pytest.raises(nas.ConfigError, match="overwrite"):
        exported(searched, tmp_path)
    exported(searched, tmp_path, overwrite=True)
