"""The front of a growing study is that of all its trials, read once each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import nas
from nas.study import Study
from nas.study.history import front_of
from storage import Ledger, TrialRecord

MakeStudy = Callable[..., Study]


def numbers(trials: list[Any]) -> list[int]:
    return [trial.number for trial in trials]


@pytest.mark.parametrize("constraints", [(), ("num_parameters <= 0.8 * baseline",)])
def test_it_is_the_front_of_all_trials_at_any_time(
    make_study: MakeStudy, counted: Any, constraints: tuple[str, ...]
) -> None:
    seen: list[list[int]] = []

    def compare(study: Study, trial: Any) -> None:
        seen.append(numbers(study.best_trials))
        assert seen[-1] == numbers(front_of(study.trials, study.objectives))

    counted.at |= {5: lambda: "nonsense"}
    make_study(constraints=constraints).optimize(counted.evaluator, 20, callbacks=[compare])
    assert len({tuple(front) for front in seen}) > 3


def test_what_ended_is_read_once(
    make_study: MakeStudy, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    each_told = Ledger.each_told

    def note(self: Ledger, *arguments: Any, **options: Any) -> Any:
        record: TrialRecord
        for record in each_told(self, *arguments, **options):
            read.append(record.number)
            yield record

    monkeypatch.setattr(Ledger, "each_told", note)
    study = make_study()
    study.optimize(counted.evaluator, 6)
    first = study.best_trials
    assert study.best_trials == first
    study.optimize(counted.evaluator, 9)
    assert numbers(study.best_trials) == numbers(front_of(study.trials, study.objectives))
    assert sorted(read) == [trial.number for trial in study.trials if trial.state.is_final]


def test_budgets_are_judged_anew_when_the_full_model_becomes_known(
    make_study: MakeStudy, counted: Any
) -> None:
    study = make_study(
        objectives=("max accuracy", "min num_parameters"), constraints=("accuracy >= 0.9 * baseline",)
    )
    full, other = study.ask(), study.ask()
    study.tell(other, {"accuracy": 0.5})
    assert numbers(study.best_trials) == [other.number]  # the baseline's accuracy is not known
    study.tell(full, {"accuracy": 0.8})
    assert numbers(study.best_trials) == [full.number]


def test_a_study_without_results_has_no_front(make_study: MakeStudy) -> None:
    assert make_study().best_trials == []


def test_another_object_of_the_same_study_finds_the_same_front(
    make_study: MakeStudy, counted: Any, url: str
) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 8)
    with nas.load_study("tiny", storage=url) as other:
        assert numbers(other.best_trials) == numbers(study.best_trials)
