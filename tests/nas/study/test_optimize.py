"""What a search evaluates, how often, and when it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import nas
from nas.study import Study, Trial
from nas.supernet import Supernet
from search_spaces import SearchSpace, SubnetConfig
from storage import Ledger, StudyState, TrialState

MakeStudy = Callable[..., Study]
SAMPLERS = ("nsga2", "tpe", "random")


def states(study: Study) -> Counter[str]:
    return Counter(trial.state.value for trial in study.trials)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_evaluates_as_many_sub_networks_as_asked_for(
    make_study: MakeStudy, counted: Any, sampler: str
) -> None:
    study = make_study(sampler=sampler)
    study.optimize(counted.evaluator, 30)
    assert states(study)["DONE"] == len(counted.calls) == 30
    assert study.state is StudyState.COMPLETED


def test_the_full_model_is_evaluated_first(make_study: MakeStudy, counted: Any, supernet: Supernet) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 3)
    assert counted.calls[0] == max(counted.calls) == study.baseline["num_parameters"]
    assert study.trials[0].config == SubnetConfig.full(supernet.shape)


def test_the_same_total_again_does_nothing(make_study: MakeStudy, counted: Any, ledger: Ledger) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 12)
    before = ledger.trials(1)
    study.optimize(counted.evaluator, 12)
    study.optimize(counted.evaluator, 5)
    assert len(counted.calls) == 12
    assert ledger.trials(1) == before
    assert study.state is StudyState.COMPLETED


def test_a_larger_total_continues(make_study: MakeStudy, counted: Any) -> None:
    study = make_study()
    for total in (2, 9, 21):
        study.optimize(counted.evaluator, total)
        assert len(counted.calls) == states(study)["DONE"] == total


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_in_parts_proposes_what_one_search_proposes(
    make_study: MakeStudy, counted: Any, supernet: Supernet, url: str, sampler: str
) -> None:
    whole = make_study("whole", sampler=sampler)
    whole.optimize(counted.evaluator, 45)
    make_study("parts", sampler=sampler).close()
    for total in (1, 15, 22, 45):
        with nas.load_study("parts", storage=url, supernet=supernet) as part:
            part.optimize(counted.evaluator, total)
    parts = make_study("parts", sampler=sampler, load_if_exists=True)
    assert [(t.number, t.key, t.state) for t in parts.trials] == [
        (t.number, t.key, t.state) for t in whole.trials
    ]


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_space_of_twelve_points_takes_twelve_evaluations_whatever_the_budget(
    make_study: MakeStudy, counted: Any, twelve: SearchSpace, sampler: str, deterministic: bool
) -> None:
    study = make_study(space=twelve, sampler=sampler, deterministic=deterministic)
    study.optimize(counted.evaluator, 100)
    assert len(counted.calls) == 12
    assert states(study)["DONE"] == 12
    assert study.state is StudyState.COMPLETED


def test_the_end_of_a_small_space_is_found_without_proposing_in_vain(
    make_study: MakeStudy, counted: Any, twelve: SearchSpace, ledger: Ledger
) -> None:
    study = make_study(space=twelve, deterministic=True, parallel=8)
    study.optimize(counted.evaluator, 100)
    numbers = len(ledger.trials(1))
    study.optimize(counted.evaluator, 200)
    assert len(ledger.trials(1)) == numbers
    last = max(trial.number for trial in study.trials if trial.state is TrialState.DONE)
    assert last == numbers - 1  # nothing was proposed after the last point


def test_duplicates_have_the_result_of_the_trial_that_they_repeat(
    make_study: MakeStudy, counted: Any, twelve: SearchSpace, ledger: Ledger
) -> None:
    study = make_study(space=twelve, sampler="tpe")  # one that does not avoid them
    study.optimize(counted.evaluator, 12)
    records = {record.number: record for record in ledger.trials(1)}
    duplicates = [r for r in records.values() if r.state is TrialState.DUPLICATE]
    assert duplicates
    for record in duplicates:
        assert record.reused_from is not None
        first = records[record.reused_from]
        assert (first.key, first.state) == (record.key, TrialState.DONE)
        assert record.metrics == first.metrics
        assert record.attempts == 0


def test_each_sub_network_is_evaluated_once_over_all_runs(
    make_study: MakeStudy, counted: Any, twelve: SearchSpace
) -> None:
    study = make_study(space=twelve, sampler="random")
    for total in range(1, 13):
        study.optimize(counted.evaluator, total)
    assert len(counted.calls) == len({t.key for t in study.trials if t.state is TrialState.DONE}) == 12


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_full_model_need_not_be_a_point_of_the_space(
    make_study: MakeStudy, counted: Any, supernet: Supernet, sampler: str
) -> None:
    space = supernet.space("uniform", choices={"intermediate_size": [16, 32], "hidden_size": [32]})
    study = make_study(space=space, sampler=sampler)
    study.optimize(counted.evaluator, 100)
    assert study.trials[0].parameters == {}
    assert study.trials[0].values is not None
    assert states(study)["DONE"] == space.cardinality + 1


def test_a_function_may_return_several_metrics_by_name(make_study: MakeStudy) -> None:
    study = make_study(objectives=("max accuracy", "min loss"), constraints=("f1 >= 0.1",))
    study.optimize(lambda model: {"accuracy": 0.5, "loss": 1.0, "f1": 0.3, "else": 2.0}, 2)
    assert study.trials[0].values == (0.5, 1.0)
    assert study.trials[0].metrics["else"] == 2.0


def test_own_metrics_are_allowed_where_they_are_named(make_study: MakeStudy, wave: Any) -> None:
    study = make_study(objectives=("max goodness", "min macs"), metrics=("goodness",))
    study.optimize(wave, 2)
    assert set(study.trials[0].metrics) >= {"goodness", "macs"}


def test_an_objective_that_nobody_measures_is_told_after_the_first_evaluation(
    make_study: MakeStudy, counted: Any
) -> None:
    study = make_study(objectives=("max f1", "min num_parameters"))
    with pytest.raises(nas.ConfigError, match="f1 was not measured; there is accuracy, "):
        study.optimize(counted.evaluator, 10)
    assert len(counted.calls) == 1
    assert study.state is StudyState.FAILED


def test_callbacks_see_each_trial_that_ended(make_study: MakeStudy, counted: Any, raising: Any) -> None:
    seen: list[tuple[int, str]] = []

    def note(study: Study, trial: Trial) -> None:
        assert study.trial(trial.number) == trial
        seen.append((trial.number, trial.state.value))

    counted.at[3] = raising(ValueError("of the user"))
    study = make_study()
    study.optimize(counted.evaluator, 6, callbacks=[note])
    assert seen == [(number, "FAILED" if number == 3 else "DONE") for number in range(6)]


def test_an_exception_of_a_callback_ends_the_search_and_loses_nothing(
    make_study: MakeStudy, counted: Any
) -> None:
    def stop(study: Study, trial: Trial) -> None:
        if trial.number == 4:
            raise LookupError("enough")

    study = make_study()
    with pytest.raises(LookupError):
        study.optimize(counted.evaluator, 10, callbacks=[stop])
    assert study.state is StudyState.FAILED
    study.optimize(counted.evaluator, 10)
    assert len(counted.calls) == 10


def test_a_timeout_pauses_the_search_and_the_next_run_goes_on(make_study: MakeStudy, counted: Any) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 10**6, timeout=0.5)
    assert study.state is StudyState.PAUSED
    done = states(study)["DONE"]
    assert done >= 1
    assert states(study)["RUNNING"] == 0
    study.optimize(counted.evaluator, done + 5)
    assert len(counted.calls) == done + 5
    assert study.state is StudyState.COMPLETED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trials": 0}, "n_trials is 0; it must be at least 1"),
        ({"n_trials": 1, "timeout": 0}, "timeout is 0; give seconds above 0"),
        ({"n_trials": 1, "max_failed": -1}, "max_failed is -1"),
    ],
)
def test_limits_that_mean_nothing_are_refused(
    make_study: MakeStudy, wave: Any, options: dict[str, Any], message: str
) -> None:
    study = make_study()
    with pytest.raises(nas.ConfigError, match=message):
        study.optimize(wave, **options)
    assert study.state is StudyState.QUEUED


def test_quality_is_reused_by_a_study_with_the_same_supernet_and_evaluator(
    make_study: MakeStudy, counted: Any, twelve: SearchSpace
) -> None:
    first = make_study("first", space=twelve)
    first.optimize(counted.evaluator, 12)
    second = make_study("second", space=twelve, sampler="random", seed=5)
    second.optimize(counted.evaluator, 12)
    assert len(counted.calls) == 12
    assert {t.key: t.values for t in first.trials} == {t.key: t.values for t in second.trials}


def test_quality_of_another_evaluator_is_not_reused(
    make_study: MakeStudy, counted: Any, twelve: SearchSpace
) -> None:
    make_study("first", space=twelve).optimize(counted.evaluator, 5)
    counted.version = "another"
    make_study("second", space=twelve).optimize(counted.evaluator, 5)
    assert len(counted.calls) == 10


def test_what_quality_was_measured_with_is_noted_once(make_study: MakeStudy, counted: Any) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 2)
    study.optimize(counted.evaluator, 3)
    (facts,) = study.evaluators()
    assert facts["metrics"] == ["accuracy"]
    assert facts["sha256"] == counted.evaluator.prepare(study.supernet).sha256
    assert facts["versions"]["torch"]
