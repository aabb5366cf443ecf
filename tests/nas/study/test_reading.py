"""What a study tells of itself: front, best, hypervolume, Optuna, tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState as OptunaState
from torch import nn

import nas
from nas.pareto import dominates, hypervolume
from nas.study import Study
from nas.supernet import Supernet
from storage import TrialState

MakeStudy = Callable[..., Study]
BUDGET = "num_parameters <= 0.8 * baseline"


def score(model: nn.Module) -> float:
    """Fails for a fifth of all sizes."""
    size = sum(parameter.numel() for parameter in model.parameters())
    return math.nan if size % 10 == 4 else 0.5 + 0.4 * math.sin(size / 997)


@pytest.fixture(scope="module")
def searched(supernet: Supernet, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished study of 40 evaluations with a budget; tests only read it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('searched') / 'nas.db'}"
    with nas.create_study(
        "searched",
        supernet=supernet,
        objectives=("max accuracy", "min num_parameters"),
        constraints=(BUDGET,),
        storage=url,
        sampler="nsga2",
    ) as study:
        study.optimize(score, 40, max_failed=40)
        yield study


def minimised(study: Study, trial: Any) -> list[float]:
    return [
        objective.minimised(value) for objective, value in zip(study.objectives, trial.values, strict=True)
    ]


def test_nothing_dominates_a_trial_of_the_front_and_something_every_other(searched: Study) -> None:
    front = {trial.number for trial in searched.best_trials}
    feasible = [trial for trial in searched.trials if trial.is_feasible]
    assert 1 < len(front) < len(feasible)
    for trial in feasible:
        if trial.state is TrialState.DONE:
            mine = minimised(searched, trial)
            is_dominated = any(dominates(minimised(searched, other), mine) for other in feasible)
            assert is_dominated is (trial.number not in front)


def test_the_front_begins_with_the_best_in_the_first_objective(searched: Study) -> None:
    accuracies = [trial.metrics["accuracy"] for trial in searched.best_trials]
    assert accuracies == sorted(accuracies, reverse=True)


def test_the_front_holds_neither_failed_nor_infeasible_trials(searched: Study) -> None:
    kinds = {trial.state for trial in searched.trials}
    assert {TrialState.FAILED, TrialState.INFEASIBLE, TrialState.DONE} <= kinds
    assert {trial.state for trial in searched.best_trials} == {TrialState.DONE}
    assert all(trial.violations[BUDGET] <= 0 for trial in searched.best_trials)


def test_best_is_the_first_of_the_front(searched: Study) -> None:
    assert searched.best() == searched.best_trials[0]


def test_best_under_a_further_budget_holds_it(searched: Study) -> None:
    chosen = searched.best("num_parameters <= 0.6 * baseline")
    limit = 0.6 * searched.baseline["num_parameters"]
    within = [t for t in searched.trials if t.is_feasible and t.metrics["num_parameters"] <= limit]
    assert chosen.metrics["accuracy"] == max(trial.metrics["accuracy"] for trial in within)
    assert chosen in within


def test_several_budgets_hold_together(searched: Study) -> None:
    chosen = searched.best(["num_parameters <= 0.7 * baseline", "macs >= 0.2 * baseline"])
    assert chosen.metrics["macs"] >= 0.2 * searched.baseline["macs"]


def test_a_budget_that_no_trial_meets_is_told_with_the_nearest(searched: Study) -> None:
    least = min((t for t in searched.trials if t.values), key=lambda t: t.metrics["num_parameters"])
    with pytest.raises(nas.InfeasibleError, match=r"none of .* evaluated sub-networks meets") as raised:
        searched.best("num_parameters <= 3")
    assert raised.value.binding == "num_parameters <= 3"
    assert (
        raised.value.nearest
        == f"trial {least.number}: num_parameters = {least.metrics['num_parameters']:.6g}"
    )


def test_a_budget_on_what_was_not_measured_is_refused(searched: Study) -> None:
    with pytest.raises(nas.ConfigError, match="latency_ms was not measured in this study; there is accuracy"):
        searched.best("latency_ms <= 3")


def test_there_is_no_best_before_anything_was_evaluated(make_study: MakeStudy) -> None:
    with pytest.raises(nas.InfeasibleError, match="no evaluated sub-network yet; run it first"):
        make_study().best()


def test_the_reference_is_nothing_of_what_is_maximised_and_a_tenth_more_than_the_full_model(
    searched: Study,
) -> None:
    assert searched.reference_point == [0.0, pytest.approx(1.1 * searched.baseline["num_parameters"])]


def test_the_hypervolume_is_a_share_of_the_box_between_reference_and_ideal(searched: Study) -> None:
    points = np.array([minimised(searched, trial) for trial in searched.best_trials])
    reference = searched.reference_point
    assert reference is not None
    assert searched.hypervolume == pytest.approx(hypervolume(points, reference) / reference[1])
    assert 0 < searched.hypervolume < 1


def test_the_hypervolume_never_falls(make_study: MakeStudy, wave: Any) -> None:
    volumes: list[float] = []
    study = make_study()
    study.optimize(wave, 25, callbacks=[lambda study, _: volumes.append(study.hypervolume or 0.0)])
    assert volumes == sorted(volumes)
    assert volumes[0] > 0  # the full model alone counts
    assert volumes[-1] > volumes[0]


def test_optunas_study_has_every_trial_under_its_number_in_the_matching_state(searched: Study) -> None:
    expected = {
        TrialState.DONE: OptunaState.COMPLETE,
        TrialState.FAILED: OptunaState.FAIL,
        TrialState.INFEASIBLE: OptunaState.PRUNED,
    }
    theirs = searched.optuna.trials
    assert len(theirs) == len(searched.trials)
    for ours, trial in zip(searched.trials, theirs, strict=True):
        assert trial.number == ours.number
        assert trial.params == ours.parameters
        assert trial.user_attrs["key"] == ours.key
        if ours.state in expected:
            assert trial.state is expected[ours.state]
        if ours.values is not None:
            assert tuple(trial.values) == ours.values


def test_optunas_study_has_the_constraints(searched: Study) -> None:
    for ours, trial in zip(searched.trials, searched.optuna.trials, strict=True):
        assert trial.constraints == ours.violations
        assert (trial.constraints[BUDGET] <= 0) is (ours.violations[BUDGET] <= 0)


def test_optuna_finds_the_same_front(make_study: MakeStudy, wave: Any) -> None:
    study = make_study()
    study.optimize(wave, 40)
    theirs = {trial.user_attrs["key"] for trial in study.optuna.best_trials}
    assert theirs == {trial.key for trial in study.best_trials}


def test_optuna_finds_the_same_front_under_a_budget(searched: Study) -> None:
    theirs = {trial.user_attrs["key"] for trial in searched.optuna.best_trials}
    assert theirs == {trial.key for trial in searched.best_trials}


def test_optunas_study_names_the_metrics_and_serves_its_importances(make_study: MakeStudy, wave: Any) -> None:
    study = make_study()
    study.optimize(wave, 30)
    theirs = study.optuna
    assert theirs.metric_names == ["accuracy", "num_parameters"]
    importances = optuna.importance.get_param_importances(theirs, target=lambda trial: trial.values[1])
    assert set(importances) <= set(study.trials[1].parameters)


def test_open_trials_are_running_in_optunas_study(make_study: MakeStudy) -> None:
    study = make_study()
    study.ask()
    assert {trial.state for trial in study.optuna.trials} == {OptunaState.RUNNING}


def test_a_data_frame_has_a_row_a_trial(searched: Study) -> None:
    pytest.importorskip("pandas")
    frame = searched.trials_dataframe()
    assert list(frame["number"]) == [trial.number for trial in searched.trials]
    assert {"state", "origin", "accuracy", "num_parameters", "num_hidden_layers"} <= set(frame.columns)
    assert frame["accuracy"].isna().sum() == sum(trial.values is None for trial in searched.trials)


def test_a_notebook_shows_the_front_and_names_are_escaped(make_study: MakeStudy, wave: Any) -> None:
    study = make_study("<img src=x>")
    study.optimize(wave, 5)
    shown = study._repr_html_()
    assert "<img" not in shown
    assert "&lt;img src=x&gt;: 5 evaluated, completed" in shown
    assert shown.count("<tr><td>") == len(study.best_trials)


def test_a_notebook_shows_a_trial(searched: Study) -> None:
    trial = searched.best()
    shown = trial._repr_html_()
    assert f"Trial {trial.number} (done): {trial.architecture}" in shown
    assert "<svg" in shown


def test_the_architecture_is_told_in_short(searched: Study) -> None:
    assert searched.trials[0].architecture == "3 layers, 4 heads, FFN 64, hidden 32"
    assert searched.trials[0].portability == "plain"


def test_reading_one_trial_equals_reading_all(searched: Study) -> None:
    for trial in searched.trials[:10]:
        assert searched.trial(trial.number) == trial
