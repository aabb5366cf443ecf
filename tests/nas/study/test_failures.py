"""Evaluations that fail: recorded with their reason, never ranked, and not without end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

import nas
from nas.evaluation import Evaluator, Quality, Skeleton
from nas.study import Study
from storage import Ledger, StudyState, TrialState

MakeStudy = Callable[..., Study]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (math.nan, "nan"),
        (math.inf, "nan"),
        (-math.inf, "nan"),
        (None, "bug"),
        ("1.5", "bug"),
        (10**400, "bug"),
        (True, "bug"),
        ({"loss": 1.0}, "bug"),
    ],
)
def test_an_answer_that_is_no_finite_number_fails_its_trial_alone(
    make_study: MakeStudy, counted: Any, answer: Any, reason: str
) -> None:
    counted.at[2] = lambda: answer
    study = make_study()
    study.optimize(counted.evaluator, 6)
    failed = study.trials[2]
    assert failed.state is TrialState.FAILED
    assert failed.reason is not None
    assert failed.reason.startswith(f"{reason}: ")
    assert (failed.values, failed.attempts) == (None, 1)
    assert failed.number not in {trial.number for trial in study.best_trials}
    assert [t.number for t in study.trials if t.state is TrialState.DONE] == [0, 1, 3, 4, 5]
    assert study.state is StudyState.COMPLETED


def test_an_exception_of_the_function_is_the_reason(
    make_study: MakeStudy, counted: Any, raising: Any
) -> None:
    counted.at[1] = raising(KeyError("labels"))
    study = make_study()
    study.optimize(counted.evaluator, 3)
    assert study.trials[1].reason == "bug: KeyError: 'labels'"


def test_lack_of_memory_is_tried_again_and_counted_as_attempts_of_one_trial(
    make_study: MakeStudy, counted: Any, raising: Any, ledger: Ledger
) -> None:
    counted.at |= {2: raising(MemoryError()), 3: raising(MemoryError())}
    study = make_study(enqueue=())
    study.optimize(counted.evaluator, 5)
    assert [trial.attempts for trial in study.trials] == [1, 1, 3, 1, 1]
    assert all(trial.state is TrialState.DONE for trial in study.trials)
    assert counted.calls[2] == counted.calls[3] == counted.calls[4]
    outcomes = [attempt.outcome for attempt in ledger.attempts(1, 2)]
    assert outcomes == ["oom", "oom", "completed"]


def test_a_sub_network_that_never_fits_is_given_up_after_three_attempts(
    make_study: MakeStudy, counted: Any, raising: Any
) -> None:
    counted.at |= {call: raising(MemoryError("no room")) for call in (2, 3, 4)}
    study = make_study()
    study.optimize(counted.evaluator, 5)
    assert study.trials[2].state is TrialState.FAILED
    assert study.trials[2].attempts == 3
    assert study.trials[2].reason == "oom: MemoryError: no room"


def test_a_search_whose_candidates_all_fail_ends_with_the_cause(make_study: MakeStudy, counted: Any) -> None:
    counted.at |= {call: lambda: math.nan for call in range(1, 1000)}
    study = make_study()
    with pytest.raises(nas.TooManyFailuresError, match=r"10 sub-networks failed in a row, the last one.*nan"):
        study.optimize(counted.evaluator, 100)
    assert len(counted.calls) == 11
    assert study.state is StudyState.FAILED


def test_as_many_failures_as_are_put_up_with_do_not_end_a_search(make_study: MakeStudy, counted: Any) -> None:
    counted.at |= {call: lambda: math.nan for call in range(1, 1000, 2)}
    study = make_study()
    study.optimize(counted.evaluator, 7, max_failed=3)
    with pytest.raises(
        nas.TooManyFailuresError, match="3 sub-networks failed in this run, more than max_fai"
    ):
        study.optimize(counted.evaluator, 100, max_failed=2)
    assert study.state is StudyState.FAILED
    assert len(counted.calls) == 12


def test_no_failure_is_put_up_with_where_that_is_asked_for(make_study: MakeStudy, counted: Any) -> None:
    counted.at[4] = lambda: math.nan
    with pytest.raises(nas.TooManyFailuresError, match="max_failed 0"):
        make_study().optimize(counted.evaluator, 100, max_failed=0)
    assert len(counted.calls) == 5


def test_the_study_can_go_on_after_too_many_failures(make_study: MakeStudy, counted: Any) -> None:
    counted.at |= {call: lambda: math.nan for call in range(1, 11)}
    study = make_study()
    with pytest.raises(nas.TooManyFailuresError):
        study.optimize(counted.evaluator, 30)
    study.optimize(counted.evaluator, 30)
    assert len(counted.calls) == 30
    assert study.state is StudyState.COMPLETED


def test_without_the_full_model_there_is_no_search(make_study: MakeStudy, counted: Any) -> None:
    counted.at[0] = lambda: math.nan
    study = make_study()
    for _ in range(2):  # a second run does not go on without it
        with pytest.raises(
            nas.EvaluationFailedError, match="the full model could not be evaluated"
        ) as raised:
            study.optimize(counted.evaluator, 10)
        assert raised.value.reason == "nan"
        assert study.state is StudyState.FAILED
    assert len(counted.calls) == 1


def test_failed_sub_networks_are_not_evaluated_again(
    make_study: MakeStudy, counted: Any, twelve: Any
) -> None:
    counted.at |= {call: lambda: math.nan for call in (3, 6)}
    study = make_study(space=twelve)
    study.optimize(counted.evaluator, 100)
    study.optimize(counted.evaluator, 200)
    assert len(counted.calls) == 12


class Careless(Evaluator):
    """An evaluator of a user who checks nothing."""

    metrics = ("accuracy",)
    sha256 = "careless"
    num_examples = 1

    def __init__(self, answers: dict[int, Any]) -> None:
        self._answers = answers
        self._calls = -1

    def prepare(self, supernet: object, earlier: object = None) -> Careless:
        return self

    def factory(self, skeleton: Skeleton) -> Any:
        return lambda arrays: self._evaluate

    def _evaluate(self, payload: object) -> Any:
        self._calls += 1
        good = Quality(metrics={"accuracy": 0.5}, examples=1, seconds=0.1)
        return self._answers.get(self._calls, good)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (0.5, "bug: the evaluator returned float, not a Quality"),
        (None, "bug: the evaluator returned NoneType, not a Quality"),
        (
            Quality(metrics={"accuracy": math.nan}, examples=1, seconds=0.1),
            "nan: score returned accuracy = nan",
        ),
        (Quality(metrics={"accuracy": "1"}, examples=1, seconds=0.1), "bug: score returned accuracy = '1'"),  # type: ignore[dict-item]
        (Quality(metrics={}, examples=1, seconds=0.1), "bug: score returned no accuracy"),
    ],
)
def test_an_evaluator_that_answers_nonsense_fails_its_trial_and_not_the_driver(
    make_study: MakeStudy, answer: Any, reason: str
) -> None:
    study = make_study()
    study.optimize(Careless({2: answer}), 5)
    failed = study.trials[2]
    assert failed.state is TrialState.FAILED
    assert failed.reason is not None
    assert failed.reason.startswith(reason)
    assert sum(trial.state is TrialState.DONE for trial in study.trials) == 4


def test_failures_of_a_deterministic_study_are_the_same_in_every_run(make_study: MakeStudy) -> None:
    def score(model: nn.Module) -> float:
        size = sum(parameter.numel() for parameter in model.parameters())
        return math.nan if size % 10 == 4 else math.sin(size)

    def history(name: str) -> list[Any]:
        study = make_study(name, deterministic=True, sampler="nsga2")
        study.optimize(score, 35, max_failed=35)
        return [(t.number, t.key, t.state, t.values) for t in study.trials]

    first = history("first")
    assert history("second") == first
    assert TrialState.FAILED in {state for _, _, state, _ in first}
