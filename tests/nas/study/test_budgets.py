"""Budgets: refused before anything is spent where none can be met, kept to otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import nas
from nas.study import Study
from nas.supernet import Supernet
from search_spaces import SearchSpace
from storage import Ledger, StudyState, TrialState

MakeStudy = Callable[..., Study]


def test_a_budget_that_no_sub_network_meets_is_refused_before_anything_is_spent(
    make_study: MakeStudy, counted: Any, ledger: Ledger
) -> None:
    study = make_study(constraints=("num_parameters <= 10",))
    before = ledger.study("tiny"), ledger.events(1)
    for act in (lambda: study.optimize(counted.evaluator, 10), study.ask, study.profile):
        with pytest.raises(nas.InfeasibleError):
            act()
    assert counted.calls == []
    assert (ledger.study("tiny"), ledger.events(1)) == before
    assert study.trials == []


def test_the_binding_budget_and_the_nearest_sub_network_are_named(
    make_study: MakeStudy, wave: Any, supernet: Supernet
) -> None:
    study = make_study(constraints=("macs <= 0.9 * baseline", "num_parameters <= 10"))
    smallest = supernet.cost(supernet.space("uniform").smallest()).num_parameters
    with pytest.raises(nas.InfeasibleError, match="relax the constraint or widen the space") as raised:
        study.optimize(wave, 10)
    assert raised.value.binding == "num_parameters <= 10"
    assert raised.value.nearest == (f"num_parameters = {smallest:,} with 1 layer, 1 head, FFN 4, hidden 16")


def test_budgets_that_exclude_each_other_are_refused(make_study: MakeStudy, wave: Any) -> None:
    study = make_study(constraints=("macs <= 0.3 * baseline", "num_parameters >= 0.9 * baseline"))
    with pytest.raises(nas.InfeasibleError, match=r"'macs <= 0.3 \* baseline' and 'num_parameters >= 0.9"):
        study.optimize(wave, 10)


def test_a_narrow_window_of_cost_away_from_the_middle_is_found(make_study: MakeStudy) -> None:
    study = make_study(
        space="medium",
        constraints=(
            "num_prunable_parameters >= 0.05 * baseline",
            "num_prunable_parameters <= 0.07 * baseline",
        ),
    )
    shares = study.profile().satisfiable.values()
    assert 0 < min(shares) < 0.005


def test_every_point_of_a_small_space_is_looked_at(
    make_study: MakeStudy, twelve: SearchSpace, supernet: Supernet, counted: Any
) -> None:
    sizes = sorted(supernet.cost(twelve.decode(point)).num_parameters for point in twelve.points())
    only = sizes[5]
    study = make_study(
        space=twelve, constraints=(f"num_parameters <= {only}", f"num_parameters >= {only}"), enqueue=()
    )
    study.optimize(counted.evaluator, 100)
    assert set(counted.calls[1:]) == {only}


def test_what_breaks_an_exact_budget_is_recorded_and_never_evaluated(
    make_study: MakeStudy, counted: Any
) -> None:
    study = make_study(constraints=("num_parameters <= 0.7 * baseline",))
    study.optimize(counted.evaluator, 20)
    limit = 0.7 * study.baseline["num_parameters"]
    assert len(counted.calls) == 20
    assert all(size <= limit for size in counted.calls[1:])
    refused = [trial for trial in study.trials if trial.state is TrialState.INFEASIBLE]
    assert refused
    for trial in refused:
        assert trial.metrics["num_parameters"] > limit
        assert trial.reason == "breaks num_parameters <= 0.7 * baseline"
        assert (trial.attempts, trial.values) == (0, None)
        assert not trial.is_feasible


def test_the_full_model_is_evaluated_although_it_breaks_the_budget_and_is_not_on_the_front(
    make_study: MakeStudy, counted: Any
) -> None:
    study = make_study(constraints=("macs <= 0.5 * baseline",))
    study.optimize(counted.evaluator, 8)
    full = study.trials[0]
    assert full.state is TrialState.DONE
    assert not full.is_feasible
    assert full.number not in {trial.number for trial in study.best_trials}


def test_measured_budgets_relative_to_the_full_model_decide_who_is_feasible(
    make_study: MakeStudy, wave: Any
) -> None:
    study = make_study(constraints=("accuracy >= 0.9 * baseline",))
    study.optimize(wave, 20)
    limit = 0.9 * study.baseline["accuracy"]
    feasible = {t.number for t in study.trials if t.is_feasible}
    assert feasible == {t.number for t in study.trials if t.values and t.metrics["accuracy"] >= limit}
    assert 0 < len(feasible) < len(study.trials)
    assert all(trial.number in feasible for trial in study.best_trials)


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_a_small_feasible_part_of_a_space_is_searched_to_its_end(
    make_study: MakeStudy, counted: Any, twelve: SearchSpace, sampler: str
) -> None:
    study = make_study(space=twelve, sampler=sampler, constraints=("num_parameters <= 0.6 * baseline",))
    limit = 0.6 * supernet_size(study)
    within = sum(study.spec.costs(twelve.decode(p))["num_parameters"] <= limit for p in twelve.points())
    assert 2 <= within <= 8
    study.optimize(counted.evaluator, 100)
    assert len(counted.calls) == within + 1  # and the full model
    assert study.state is StudyState.COMPLETED


def supernet_size(study: Study) -> float:
    return study.spec.full_costs["num_parameters"]


def test_a_profile_tells_costs_and_which_share_meets_each_budget(
    make_study: MakeStudy, twelve: SearchSpace
) -> None:
    study = make_study(space=twelve, constraints=("macs <= 0.6 * baseline", "accuracy >= 0.5"))
    profile = study.profile()
    assert profile.cardinality == 12
    assert profile.costs["full"] == profile.costs["largest"] == study.baseline
    assert profile.costs["smallest"]["macs"] < profile.costs["middle"]["macs"]
    assert 0 < profile.satisfiable["macs <= 0.6 * baseline"] < 1
    assert profile.unknown == ("accuracy >= 0.5",)
    assert "num_parameters" in profile._repr_html_()
