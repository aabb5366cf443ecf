"""Constraints and numbers of objectives, whatever the sampler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import nas
from nas.pareto import dominates
from nas.search import known_samplers
from nas.study import Study
from nas.study.trial import Trial
from storage import TrialState

MakeStudy = Callable[..., Study]
QUALITY = "accuracy >= 0.9 * baseline"
OBJECTIVES = ("max accuracy", "min num_parameters", "min macs", "min weight_bytes")


def size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def growing(model: nn.Module) -> float:
    """An accuracy that rises with size: a quality budget then holds for large sub-networks only."""
    return size(model) / 50_000


def told(study: Study, number: int) -> None:
    """Evaluate so many trials by hand: accuracy and latency both rise with size."""
    for _ in range(number):
        trial = study.ask()
        share = trial.metrics["num_parameters"] / study.spec.full_costs["num_parameters"]
        latency = {"latency_ms": 10 * share, "latency_ratio": share, "cpu_latency_ms": 10 * share}
        study.tell(trial, {"accuracy": 0.9 * share**0.5, **latency})


@pytest.mark.parametrize("sampler", known_samplers())
def test_what_breaks_an_exact_budget_is_never_evaluated(
    make_study: MakeStudy, counted: Any, sampler: str
) -> None:
    study = make_study(sampler=sampler, enqueue=("random",), constraints=("macs <= 0.5 * baseline",))
    study.optimize(counted.evaluator, 10)
    evaluated = [trial for trial in study.trials if trial.state is TrialState.DONE]
    limit = 0.5 * study.baseline["macs"]
    assert len(evaluated) == len(counted.calls) == 10
    assert all(trial.metrics["macs"] <= limit for trial in evaluated[1:])


def share_of_feasible(study: Study, limit: float, *, metric: str, number: int = 60) -> float:
    """Of the later half of what is asked for, how much holds a budget, for accuracy one from below."""
    told(study, number)
    late = [trial for trial in study.trials[-number // 2 :] if trial.values]
    sign = -1 if metric == "accuracy" else 1
    return sum(sign * trial.metrics[metric] <= sign * limit for trial in late) / len(late)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_samplers_propose_more_of_what_holds_a_latency_budget(make_study: MakeStudy, sampler: str) -> None:
    def share(name: str, *constraints: str) -> float:
        study = make_study(
            name,
            sampler=sampler,
            enqueue=("random", "smallest"),
            objectives=("max accuracy",),
            constraints=constraints,
            target=nas.Target.local(sequence_length=8),
        )
        return share_of_feasible(study, 4.0, metric="latency_ms")

    assert share("bound", "latency_ms <= 4") > share("free") + 0.2


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_samplers_propose_more_of_what_holds_a_quality_budget(make_study: MakeStudy, sampler: str) -> None:
    def share(name: str, *constraints: str) -> float:
        study = make_study(
            name,
            sampler=sampler,
            enqueue=("random",),
            objectives=("min num_parameters",),
            constraints=constraints,
            metrics=("accuracy",),
        )
        return share_of_feasible(study, 0.9 * 0.9, metric="accuracy", number=100)

    assert share("bound", QUALITY) > share("free") + 0.2


def test_violations_reach_optunas_constraint_interface(make_study: MakeStudy) -> None:
    study = make_study(constraints=(QUALITY,), enqueue=("smallest", "middle"))
    told(study, 10)
    for trial, twin in zip(study.trials, study.optuna.trials, strict=True):
        assert twin.constraints == pytest.approx(trial.violations)
        assert twin.constraints[QUALITY] == pytest.approx(
            1 - trial.metrics["accuracy"] / (0.9 * study.baseline["accuracy"])
        )


def test_results_may_be_told_before_the_full_models_that_a_budget_refers_to(make_study: MakeStudy) -> None:
    study = make_study(constraints=(QUALITY,), enqueue=("smallest",))
    full, smallest = study.ask(), study.ask()
    assert study.tell(smallest, {"accuracy": 0.4}).state is TrialState.DONE
    study.tell(full, {"accuracy": 0.5})
    told(study, 3)
    assert study.trial(smallest.number).is_feasible is False
    assert study.trial(full.number).is_feasible is True


@pytest.mark.parametrize(
    ("sampler", "count"),
    [*((sampler, 2) for sampler in known_samplers()), ("tpe", 1), ("tpe", 3), ("nsga3", 3), ("nsga2", 4)],
)
def test_one_to_four_objectives_are_searched_and_read(
    make_study: MakeStudy, sampler: str, count: int
) -> None:
    study = make_study(sampler=sampler, objectives=OBJECTIVES[:count], constraints=(QUALITY,))
    study.optimize(growing, 20)
    front = study.best_trials
    assert front
    assert study.best() == front[0]
    points = [
        [o.minimised(v) for o, v in zip(study.objectives, trial.values or (), strict=True)] for trial in front
    ]
    assert not any(dominates(one, other) for one in points for other in points)
    assert study.hypervolume is not None
    assert 0 < study.hypervolume <= 1
    assert all(trial.violations[QUALITY] <= 0 for trial in front)
    assert len(study.optuna.best_trials) == len(front) or count == 1


def test_the_front_of_two_objectives_is_drawn_with_its_budget(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(objectives=OBJECTIVES[:2], constraints=("num_parameters <= 0.8 * baseline",))
    study.optimize(growing, 15)
    svg, *_ = study.plot.write_front(tmp_path / "front")
    assert "budget" in svg.read_text()


def test_the_front_of_three_objectives_is_drawn_by_the_first_two(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study(objectives=OBJECTIVES[:3])
    study.optimize(growing, 10)
    assert study.plot.write_front(tmp_path / "front")[0].is_file()


def test_one_objective_has_no_front_to_draw(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(objectives=OBJECTIVES[:1])
    with pytest.raises(nas.ConfigError, match="needs two objectives"):
        study.plot.write_front(tmp_path / "front")


def test_of_budgets_that_exclude_each_other_all_and_the_most_broken_are_named(make_study: MakeStudy) -> None:
    study = make_study(enqueue=("smallest", "middle"))
    study.optimize(growing, 8)
    where = ["num_parameters <= 0.5 * baseline", "accuracy >= 5"]

    def worst(trial: Trial) -> float:
        excess = trial.metrics["num_parameters"] / (0.5 * study.baseline["num_parameters"]) - 1
        return max(excess, 1 - trial.metrics["accuracy"] / 5)

    nearest = min((trial for trial in study.trials if trial.values), key=worst)
    reached = f"accuracy = {nearest.metrics['accuracy']:.6g}, "
    reached += f"num_parameters = {nearest.metrics['num_parameters']:.6g}"
    with pytest.raises(nas.InfeasibleError) as raised:
        study.best(where)
    assert raised.value.binding == "accuracy >= 5"
    assert raised.value.nearest == f"trial {nearest.number}: {reached}"
    assert str(raised.value) == (
        "none of 8 evaluated sub-networks meets 'num_parameters <= 0.5 * baseline' and 'accuracy >= 5'; "
        f"the nearest is trial {nearest.number} with {reached}, which breaks 'accuracy >= 5'"
    )
