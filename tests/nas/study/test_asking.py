"""Ask and tell: the user evaluates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import nas
from nas.study import Study
from nas.supernet import Supernet
from search_spaces import LayerUnits, SearchSpace, SubnetConfig
from storage import Ledger, StudyState, TrialState

MakeStudy = Callable[..., Study]
SMALL = SubnetConfig(
    hidden=32, layers=(LayerUnits(heads=2, ffn=(0, 3, 9)), None, LayerUnits(heads=0, queries=0, ffn=5))
)


def test_the_initial_design_is_handed_out_first_the_full_model_at_its_head(
    make_study: MakeStudy, supernet: Supernet
) -> None:
    study = make_study()
    first = study.ask()
    assert (first.number, first.config, first.origin) == (0, supernet.full, "baseline:full")
    assert first.state is TrialState.RUNNING
    assert study.ask().origin == "seed:smallest"


def test_what_is_told_is_a_trial_as_any_other(make_study: MakeStudy) -> None:
    study = make_study(enqueue=())
    for number in range(25):
        trial = study.ask()
        told = study.tell(trial, {"accuracy": 0.5 + number / 100, "seconds": 3.0})
        assert told.state is TrialState.DONE
        assert told.values == (0.5 + number / 100, told.metrics["num_parameters"])
        assert told.metrics["seconds"] == 3.0
    assert study.best_trials
    assert study.hypervolume is not None
    assert len({trial.key for trial in study.trials if trial.state is TrialState.DONE}) == 25


def test_budgets_relative_to_the_full_model_work_from_the_first_tell(make_study: MakeStudy) -> None:
    study = make_study(constraints=("accuracy >= 0.9 * baseline",), enqueue=("smallest",))
    study.tell(study.ask(), {"accuracy": 0.5})
    assert study.tell(study.ask(), {"accuracy": 0.4}).is_feasible is False


def test_a_number_stands_for_its_trial(make_study: MakeStudy) -> None:
    study = make_study()
    number = study.ask().number
    assert study.tell(number, {"accuracy": 0.5}).number == number


def test_none_says_that_the_evaluation_failed(make_study: MakeStudy) -> None:
    study = make_study()
    told = study.tell(study.ask(), None, reason="oom")
    assert (told.state, told.reason) == (TrialState.FAILED, "oom: reported by tell")


def test_a_value_that_is_not_finite_fails_the_trial(make_study: MakeStudy) -> None:
    study = make_study()
    told = study.tell(study.ask(), {"accuracy": math.nan})
    assert told.state is TrialState.FAILED
    assert told.reason is not None
    assert told.reason.startswith("nan: ")


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"accuracy": "0.5"}, "trial 0: score returned accuracy = '0.5'; return a number"),
        ({"acc": 0.5}, "accuracy was not measured; there is acc, "),
        ({}, "accuracy was not measured"),
    ],
)
def test_metrics_that_are_no_numbers_or_lack_an_objective_are_refused_and_the_trial_stays_open(
    make_study: MakeStudy, metrics: dict[str, Any], message: str
) -> None:
    study = make_study()
    trial = study.ask()
    with pytest.raises(nas.ConfigError, match=message):
        study.tell(trial, metrics)
    assert study.trial(0).state is TrialState.RUNNING
    assert study.tell(trial, {"accuracy": 0.5}).state is TrialState.DONE


def test_an_equal_result_may_be_told_again_and_another_one_not(make_study: MakeStudy) -> None:
    study = make_study()
    trial = study.ask()
    study.tell(trial, {"accuracy": 0.5})
    study.tell(trial, {"accuracy": 0.5})
    for other in ({"accuracy": 0.6}, None):
        with pytest.raises(nas.ConfigError, match="trial 0 is DONE already; what is known of it stays"):
            study.tell(trial, other)
    assert study.trial(0).metrics["accuracy"] == 0.5


def test_a_trial_that_does_not_exist_cannot_be_told(make_study: MakeStudy) -> None:
    with pytest.raises(nas.ConfigError, match="no trial 99"):
        make_study().tell(99, {"accuracy": 0.5})


def test_open_trials_are_not_handed_out_twice(make_study: MakeStudy) -> None:
    study = make_study()
    asked = [study.ask().number for _ in range(25)]
    assert len(set(asked)) == 25


def test_what_was_not_told_is_handed_out_again_after_the_study_was_closed(
    make_study: MakeStudy, supernet: Supernet, url: str
) -> None:
    study = make_study()
    kept, lost = study.ask(), study.ask()
    study.tell(kept, {"accuracy": 0.5})
    study.close()
    with nas.load_study("tiny", storage=url, supernet=supernet) as again:
        assert again.state is StudyState.PAUSED
        assert again.ask().number == lost.number
        assert again.trial(lost.number).attempts == 2


def test_enqueued_sub_networks_come_before_the_samplers(make_study: MakeStudy) -> None:
    study = make_study(enqueue=())
    study.enqueue(SMALL)
    assert [study.ask().origin for _ in range(3)] == ["baseline:full", "seed:enqueued", "sampler"]
    assert study.trials[1].config == SMALL


def test_a_sub_network_can_be_enqueued_while_trials_are_open(make_study: MakeStudy) -> None:
    study = make_study(enqueue=())
    first = study.ask()
    study.enqueue(SMALL)
    assert study.trial(first.number).state is TrialState.RUNNING
    assert study.ask().config == SMALL
    assert study.tell(first, {"accuracy": 0.5}).attempts == 1


def test_a_search_evaluates_what_was_enqueued_before_it_and_the_initial_design(
    make_study: MakeStudy, counted: Any
) -> None:
    study = make_study()
    study.enqueue(SMALL)
    study.optimize(counted.evaluator, 30)
    origins = [trial.origin for trial in study.trials]
    assert origins[0] == "baseline:full"
    assert study.baseline["accuracy"] == study.trials[0].metrics["accuracy"]
    assert origins.count("seed:enqueued") == 1
    assert origins.index("seed:enqueued") < origins.index("sampler")
    assert "seed:smallest" in origins


def test_a_known_sub_network_is_not_enqueued_again(make_study: MakeStudy, supernet: Supernet) -> None:
    study = make_study(enqueue=())
    for config in (SMALL, supernet.full, SMALL):
        study.enqueue(config)
    assert [trial.origin for trial in study.trials] == ["baseline:full", "seed:enqueued"]


def test_an_enqueued_sub_network_over_budget_is_not_evaluated(make_study: MakeStudy, counted: Any) -> None:
    study = make_study(constraints=("num_parameters <= 0.5 * baseline",), enqueue=())
    study.enqueue(SubnetConfig(hidden=32, layers=(LayerUnits(heads=4, ffn=63),) * 3))
    study.optimize(counted.evaluator, 4)
    assert study.trials[1].state is TrialState.INFEASIBLE


def test_units_that_the_model_does_not_have_are_refused(make_study: MakeStudy) -> None:
    with pytest.raises(nas.ConfigError, match="the model has 4, so 0 to 4 are allowed"):
        make_study().enqueue(SubnetConfig(hidden=32, layers=(LayerUnits(heads=5, ffn=1),) * 3))


def test_a_search_after_ask_and_tell_counts_what_was_told(make_study: MakeStudy, counted: Any) -> None:
    study = make_study()
    told, open_one = study.ask(), study.ask()
    study.tell(told, {"accuracy": 0.5})
    with pytest.raises(nas.ConfigError, match=r"tell\(\) them or close\(\) the study first"):
        study.optimize(counted.evaluator, 5)
    study.close()
    study.optimize(counted.evaluator, 5)
    assert len(counted.calls) == 4
    assert study.trial(open_one.number).attempts == 2


def test_a_space_that_is_used_up_is_told(make_study: MakeStudy, twelve: SearchSpace) -> None:
    study = make_study(space=twelve)
    for number in range(12):
        study.tell(study.ask(), {"accuracy": number / 12})
    with pytest.raises(nas.ConfigError, match="the uniform space has no further sub-network within budget"):
        study.ask()


def test_asking_holds_the_study_and_closing_gives_it_back(
    make_study: MakeStudy, supernet: Supernet, url: str, ledger: Ledger
) -> None:
    study = make_study()
    study.ask()
    with nas.load_study("tiny", storage=url, supernet=supernet) as other:
        with pytest.raises(nas.StorageError, match="is held by"):
            other.ask()
        study.close()
        other.ask()
    assert ledger.study("tiny").state is StudyState.PAUSED
