"""A filled study has everything that a real one has, and is the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.filled_study import add_trial, filled_study
from nas.study.spec import StudySpec
from nas.study.stored_study import StoredStudy
from storage import Ledger


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'nas.db'}"


def test_it_has_trials_of_all_kinds(url: str) -> None:
    filled_study(url, 220, "filled")
    with Ledger.open(url) as ledger:
        study = StoredStudy(ledger, "filled", StudySpec.from_json(ledger.study("filled").spec))
        trials = study.trials
        assert len(trials) == 220
        assert {trial.state.value for trial in trials} == {"DONE", "PAUSED", "FAILED", "INFEASIBLE"}
        assert {trial.is_feasible for trial in trials if trial.state == "DONE"} == {True, False}
        assert study.best_trials


def test_it_is_the_same_each_time(url: str) -> None:
    for name in ("one", "two"):
        filled_study(url, 40, name)
    with Ledger.open(url) as ledger:
        one, two = (ledger.trials(ledger.study(name).id) for name in ("one", "two"))
    assert [(t.key, t.metrics) for t in one] == [(t.key, t.metrics) for t in two]


def test_a_study_that_is_there_stays_and_can_grow(url: str) -> None:
    filled_study(url, 20, "filled")
    filled_study(url, 40, "filled")
    assert add_trial(url, "filled") == 20
