"""An export is an ordinary Optuna database."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial
from sqlalchemy import create_engine, make_url, text

from storage import DatabaseUrlError, Ledger, StudyExistsError, UnreachableError
from storage.optuna_export import COMPLETE, OptunaStudyExistsError, export_to_optuna

WIDTH = IntDistribution(16, 64, step=16)


@pytest.fixture
def source() -> optuna.Study:
    """Of every state, the best two of four complete trials incomparable, one of them over its budget."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    for width, values in ((64, (0.9, 9.0)), (32, (0.8, 5.0)), (16, (0.7, 6.0)), (48, (0.95, 8.0))):
        study.add_trial(
            create_trial(
                params={"width": width},
                distributions={"width": WIDTH},
                values=list(values),
                user_attrs={"key": f"k{width}", "latency_ms": 3.5},
                constraints={"accuracy >= 0.75": 0.75 - values[0]},
            )
        )
    for state in (TrialState.RUNNING, TrialState.FAIL, TrialState.PRUNED):
        study.add_trial(create_trial(state=state, params={"width": 16}, distributions={"width": WIDTH}))
    return study


def load(url: str, name: str = "tiny") -> optuna.Study:
    """With nothing but Optuna."""
    return optuna.load_study(study_name=name, storage=url)


def facts(study: optuna.Study) -> list[Any]:
    return [
        (
            t.number,
            t.state,
            t.values,
            t.params,
            t.distributions,
            t.user_attrs,
            t.constraints,
            t.datetime_start,
        )
        for t in study.trials
    ]


def test_plain_optuna_reads_back_every_trial(url: str, source: optuna.Study) -> None:
    assert export_to_optuna(url, source, name="tiny", attributes={"nas:study": "mine"}) == 7
    read = load(url)
    assert facts(read) == facts(source)
    assert read.directions == source.directions
    assert read.user_attrs == {"nas:study": "mine", COMPLETE: 7}


def test_plain_optuna_finds_the_same_best_trials(url: str, source: optuna.Study) -> None:
    export_to_optuna(url, source, name="tiny")
    best = [trial.number for trial in load(url).best_trials]
    assert best == [trial.number for trial in source.best_trials] == [1, 3]


def test_a_name_that_is_taken_is_refused_and_left_alone(url: str, source: optuna.Study) -> None:
    export_to_optuna(url, source, name="tiny")
    with pytest.raises(OptunaStudyExistsError, match="choose another name, or overwrite it"):
        export_to_optuna(url, optuna.create_study(directions=["minimize"]), name="tiny")
    assert facts(load(url)) == facts(source)


def test_a_study_is_replaced_when_asked_for_and_others_stay(url: str, source: optuna.Study) -> None:
    export_to_optuna(url, source, name="other")
    export_to_optuna(url, source, name="tiny")
    replacement = optuna.create_study(directions=["minimize"])
    export_to_optuna(url, replacement, name="tiny", is_overwritten=True)
    assert (len(load(url).trials), len(load(url, "other").trials)) == (0, 7)


def test_it_may_lie_in_the_database_of_the_ledger(url: str, source: optuna.Study) -> None:
    with Ledger.open(url) as ledger:
        ledger.create_study("tiny", spec={}, fingerprint={}, seed=0)
    export_to_optuna(url, source, name="tiny")
    with Ledger.open(url) as ledger:
        assert [study.name for study in ledger.studies()] == ["tiny"]
    assert facts(load(url)) == facts(source)


def test_an_export_that_fails_leaves_no_study(url: str, source: optuna.Study) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_to_optuna(url, source, name="tiny", progress=stop)
    assert optuna.get_all_study_names(url) == []


def test_progress_is_told_each_trial(url: str, source: optuna.Study) -> None:
    told: list[tuple[int, int]] = []
    export_to_optuna(url, source, name="tiny", progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 7) for done in range(1, 8)]


def test_tables_of_another_optuna_are_refused_with_its_own_words(url: str, source: optuna.Study) -> None:
    export_to_optuna(url, source, name="tiny")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'v9.9.9.a'"))
    engine.dispose()
    with pytest.raises(UnreachableError, match="version"):
        export_to_optuna(url, source, name="second")


def test_a_password_with_braces_is_no_template(tmp_path: Path, source: optuna.Study) -> None:
    url = f"sqlite:///{tmp_path}/{{curly}}.db"
    assert make_url(url).database == f"{tmp_path}/{{curly}}.db"
    export_to_optuna(url, source, name="tiny")
    assert (tmp_path / "{curly}.db").exists()


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite:///:memory:", "nonsense"])
def test_a_url_that_cannot_hold_it_is_refused(url: str, source: optuna.Study) -> None:
    with pytest.raises(DatabaseUrlError):
        export_to_optuna(url, source, name="tiny")


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, source: optuna.Study) -> None:
    with pytest.raises(UnreachableError, match="nowhere does not exist"):
        export_to_optuna(f"sqlite:///{tmp_path}/nowhere/optuna.db", source, name="tiny")


def test_a_file_that_is_no_database_is_named(tmp_path: Path, source: optuna.Study) -> None:
    (tmp_path / "notes.db").write_text("no database" * 1000)
    with pytest.raises(UnreachableError, match="not a database"):
        export_to_optuna(f"sqlite:///{tmp_path}/notes.db", source, name="tiny")


def test_its_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(OptunaStudyExistsError("tiny", "sqlite:///x")))
    assert isinstance(error, StudyExistsError)
    assert "'tiny'" in str(error)
