"""The front and the hypervolume of trials as measured: latencies with intervals, budgets, open trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from nas.objectives import Objective
from nas.study.history import bounds_of, front_of, normalised_hypervolume, uncertain_objective
from nas.study.standing import Standing
from nas.study.trial import Trial
from storage import TrialState

ACCURACY, LATENCY = Objective("accuracy", "max"), Objective("latency_ms", "min")
OBJECTIVES = (ACCURACY, LATENCY)
FULL = {"accuracy": 0.9, "latency_ms": 10.0}


def trial(
    number: int, accuracy: float, latency_ms: float, *, half_width: float = 0.0, **changes: Any
) -> Trial:
    """An evaluated trial whose latency is known up to a share of it."""
    ratio = latency_ms / FULL["latency_ms"]
    metrics = {"accuracy": accuracy, "latency_ms": latency_ms, "latency_ratio": ratio}
    if half_width:
        metrics |= {
            "latency_ratio_low": ratio * (1 - half_width),
            "latency_ratio_high": ratio * (1 + half_width),
        }
    values: Any = {
        "number": number,
        "key": str(number),
        "config": None,
        "parameters": {},
        "state": TrialState.DONE,
        "origin": "sampler",
        "metrics": metrics,
        "values": (accuracy, latency_ms),
        "violations": {},
        "study": None,
    }
    return Trial(**(values | changes))


def numbers(trials: Sequence[Trial]) -> list[int]:
    return [trial.number for trial in trials]


def test_a_latency_within_anothers_interval_does_not_save_a_worse_trial() -> None:
    trials = [trial(0, 0.8, 5.00, half_width=0.02), trial(1, 0.9, 5.05, half_width=0.02)]
    assert numbers(front_of(trials, OBJECTIVES)) == [1]


def test_a_latency_within_anothers_interval_removes_no_equal_trial() -> None:
    trials = [trial(0, 0.9, 5.05, half_width=0.02), trial(1, 0.9, 5.00, half_width=0.02)]
    assert numbers(front_of(trials, OBJECTIVES)) == [1, 0]


def test_a_latency_that_is_surely_better_stays() -> None:
    trials = [trial(0, 0.8, 4.5, half_width=0.02), trial(1, 0.9, 5.0, half_width=0.02)]
    assert numbers(front_of(trials, OBJECTIVES)) == [1, 0]


def test_latencies_without_intervals_are_compared_as_they_are() -> None:
    trials = [trial(0, 0.8, 5.00), trial(1, 0.9, 5.05)]
    assert numbers(front_of(trials, OBJECTIVES)) == [1, 0]


def test_the_bounds_of_a_latency_are_its_ratios_in_milliseconds() -> None:
    assert bounds_of(trial(0, 0.9, 5.0, half_width=0.1), OBJECTIVES, 1) == [
        [-0.9, -0.9],
        [pytest.approx(4.5), pytest.approx(5.5)],
    ]


def test_a_value_lies_within_its_bounds_even_where_the_interval_does_not_hold_it() -> None:
    odd = trial(0, 0.9, 5.0)
    metrics = {**odd.metrics, "latency_ratio_low": 0.6, "latency_ratio_high": 0.7}
    low, high = bounds_of(trial(0, 0.9, 5.0, metrics=metrics), OBJECTIVES, 1)[1]
    assert low == 5.0
    assert high == pytest.approx(7.0)


def test_the_bounds_of_a_maximised_latency_are_in_order() -> None:
    objectives = (ACCURACY, Objective("latency_ms", "max"))
    low, high = bounds_of(trial(0, 0.9, 5.0, half_width=0.1), objectives, 1)[1]
    assert low < high


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (("accuracy", "latency_ms"), 1),
        (("latency_ratio", "latency_ms"), 0),
        (("accuracy", "cpu_latency_ms"), None),
    ],
)
def test_the_first_latency_is_the_uncertain_objective(metrics: tuple[str, ...], expected: int | None) -> None:
    assert uncertain_objective([Objective(metric, "min") for metric in metrics]) == expected


STATES = [state for state in TrialState if state is not TrialState.DONE]


@pytest.mark.parametrize("state", STATES)
def test_only_finished_trials_are_on_the_front(state: TrialState) -> None:
    better = trial(1, 0.99, 1.0, state=state)
    assert numbers(front_of([trial(0, 0.9, 5.0), better], OBJECTIVES)) == [0]


@pytest.mark.parametrize("state", STATES)
def test_only_finished_trials_add_hypervolume(state: TrialState) -> None:
    only = [trial(0, 0.9, 5.0)]
    expected = normalised_hypervolume(only, OBJECTIVES, FULL)
    assert normalised_hypervolume([*only, trial(1, 0.99, 1.0, state=state)], OBJECTIVES, FULL) == expected


def test_a_trial_over_budget_is_not_on_the_front() -> None:
    over = trial(1, 0.99, 1.0, violations={"macs <= 3": 0.1})
    assert numbers(front_of([trial(0, 0.9, 5.0), over], OBJECTIVES)) == [0]


def test_a_trial_that_a_tie_removes_still_counts_for_the_hypervolume() -> None:
    faster, better = trial(0, 0.8, 5.00, half_width=0.02), trial(1, 0.9, 5.05, half_width=0.02)
    assert numbers(front_of([faster, better], OBJECTIVES)) == [1]
    alone, both = (
        normalised_hypervolume(trials, OBJECTIVES, FULL) for trials in ([better], [faster, better])
    )
    assert alone is not None
    assert both is not None
    # 0.05 ms of the 11 ms below the reference, at accuracy 0.8.
    assert both - alone == pytest.approx(0.8 * 0.05 / 11)


def history() -> list[Trial]:
    """Trials with every state, some over budget, with intervals that overlap."""
    states = [TrialState.DONE] * 5 + STATES
    return [
        trial(
            number,
            0.5 + (number * 37 % 100) / 250,
            2.0 + (number * 53 % 100) / 12,
            half_width=0.02,
            state=states[number * 7 % len(states)],
            violations={"macs <= 3": 0.1 if number % 9 == 0 else -0.1},
        )
        for number in range(150)
    ]


def test_a_standing_has_the_front_of_the_trials_noted() -> None:
    trials = history()
    standing = Standing(OBJECTIVES, FULL)
    for count, one in enumerate(trials, start=1):
        standing.note(one)
        assert sorted(standing.front) == sorted(numbers(front_of(trials[:count], OBJECTIVES)))


def test_a_standing_has_the_hypervolume_of_the_trials_noted() -> None:
    trials = history()
    standing = Standing(OBJECTIVES, FULL)
    for count, one in enumerate(trials, start=1):
        standing.note(one)
        expected = normalised_hypervolume(trials[:count], OBJECTIVES, FULL)
        # Gains are added up, so that rounding differs.
        assert standing.hypervolume == pytest.approx(expected, rel=1e-12)


def test_noting_a_trial_again_changes_nothing() -> None:
    once, twice = Standing(OBJECTIVES, FULL, history()), Standing(OBJECTIVES, FULL, history() * 2)
    assert str(once) == str(twice)


def test_a_paused_trial_is_counted_until_it_is_finished() -> None:
    standing = Standing(OBJECTIVES, FULL, [trial(0, 0.9, 10.0), trial(1, 0.8, 5.0, state=TrialState.PAUSED)])
    assert "front 1" in str(standing)
    assert "1 paused" in str(standing)
    assert standing.num_evaluated == 2
    standing.note(trial(1, 0.8, 5.0))
    assert "front 2" in str(standing)
    assert "paused" not in str(standing)
    assert standing.num_evaluated == 2


def test_there_is_no_hypervolume_before_the_full_model_is_known() -> None:
    standing = Standing(OBJECTIVES, {}, [trial(0, 0.9, 5.0)])
    assert standing.hypervolume is None
    assert str(standing) == "front 1"
