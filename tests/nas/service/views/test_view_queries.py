"""Filtering, sorting, selecting and plotting over columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nas
from nas.objectives import parse_constraints
from nas.service.views import StudyView, StudyViews
from storage import Ledger, RecoveryRecord, TrialState

Grow = Callable[..., Any]
Look = Callable[[Any, StudyViews], StudyView]


def numbers(trials: Any) -> list[int]:
    return [trial.number for trial in trials]


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory, grow_in: Grow) -> Iterator[Any]:
    """A study with all kinds of trials; tests leave it as it is."""
    with Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('views') / 'nas.db'}") as ledger:
        made = grow_in(ledger, seed=5, constraints=("accuracy >= 0.05",), latency=True)
        made.complete(made.propose(origin="baseline:full"), accuracy=0.9, latency_ratio=1.0, latency_ms=10.0)
        for _ in range(120):
            made.step()
        yield made


@pytest.fixture(scope="module")
def view(growing: Any, look: Look) -> StudyView:
    return look(growing, StudyViews(growing.ledger))


@pytest.mark.parametrize(
    "where", [["latency_ms <= 7"], ["latency_ratio <= 0.7 * baseline", "accuracy >= 0.4"], ["accuracy >= 2"]]
)
def test_filtering_keeps_what_was_measured_and_holds(growing: Any, view: StudyView, where: list[str]) -> None:
    constraints = parse_constraints(where)
    expected = [
        trial.number
        for trial in growing.stored.trials
        if all(c.metric in trial.metrics and c.satisfied(trial.metrics, view.baseline) for c in constraints)
    ]
    assert view.rows(where).tolist() == expected


@pytest.mark.parametrize("sort", ["accuracy", "-accuracy", "latency_ms", "-number"])
def test_what_lacks_the_metric_is_sorted_last(growing: Any, view: StudyView, sort: str) -> None:
    name, sign = sort.removeprefix("-"), -1 if sort.startswith("-") else 1
    key = {t.number: {**t.metrics, "number": float(t.number)}.get(name) for t in growing.stored.trials}
    expected = sorted(key, key=lambda n: (key[n] is None, sign * (key[n] or 0.0), n))
    assert view.rows(sort=sort).tolist() == expected


def test_pages_are_parts_of_one_list(view: StudyView) -> None:
    pages = [view.page(sort="-accuracy", offset=offset, limit=7) for offset in range(0, 200, 7)]
    joined = [number for page in pages for number in numbers(page.trials)]
    assert joined == view.rows(sort="-accuracy").tolist()
    assert {page.total for page in pages} == {len(joined)}


def test_states_are_picked(view: StudyView) -> None:
    wanted = (TrialState.PAUSED, TrialState.INFEASIBLE)
    page = view.page(states=wanted, limit=1000)
    assert {trial.state for trial in page.trials} == set(wanted)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda view: view.page(["speed <= 3"]), "unknown metric 'speed'"),
        (lambda view: view.page(["macs <= 3"]), "there is accuracy"),
        (lambda view: view.page(["accuracy 3"]), "METRIC"),
        (lambda view: view.page(sort="macs"), "there is number, accuracy"),
        (lambda view: view.choose(["macs <= 3"]), "macs was not measured"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_there_is(
    view: StudyView, call: Callable[[StudyView], Any], message: str
) -> None:
    with pytest.raises(nas.ConfigError, match=message):
        call(view)


@pytest.mark.parametrize("where", [[], ["latency_ms <= 6"], ["latency_ms <= 5", "accuracy >= 0.2"]])
def test_the_selected_trial_is_the_studys_own_choice(growing: Any, view: StudyView, where: list[str]) -> None:
    assert view.select(where).number == growing.stored.best(where).number


def test_a_budget_that_nothing_meets_is_answered_as_by_the_study(growing: Any, view: StudyView) -> None:
    where = ["latency_ms <= 0.1", "accuracy >= 0.95"]
    with pytest.raises(nas.InfeasibleError) as expected:
        growing.stored.best(where)
    choice = view.choose(where)
    assert choice.error is not None
    assert choice.nearest is not None
    assert choice.error.args == expected.value.args
    assert f"trial {choice.nearest.number}:" in str(choice.error.nearest)


def test_nothing_is_selected_before_anything_was_evaluated(grow: Grow, look: Look) -> None:
    growing = grow()
    choice = look(growing, StudyViews(growing.ledger)).choose()
    assert (choice.best, choice.nearest) == (None, None)
    assert "no evaluated sub-network" in str(choice.error)


def test_a_share_of_the_full_model_waits_for_its_evaluation(grow: Grow, look: Look) -> None:
    growing = grow(constraints=("accuracy >= 0.9 * baseline",))
    views = StudyViews(growing.ledger)
    growing.complete(growing.propose(), accuracy=0.5)
    view = look(growing, views)
    assert "has not been evaluated yet" in str(view.choose().error)
    assert view.summary().best is None
    assert [mark.kind for mark in view.points()] == ["front"]
    growing.complete(growing.propose(origin="baseline:full"), accuracy=0.5)
    assert look(growing, views).choose().best is not None


def test_recovered_sub_networks_are_chosen_by_their_new_scores(grow: Grow, look: Look) -> None:
    growing = grow()
    for accuracy in (0.7, 0.5, 0.6):
        growing.complete(growing.propose(), accuracy=accuracy)
    worst = min(growing.stored.select(), key=lambda trial: trial.metrics["accuracy"])
    growing.ledger.put_recovery(
        RecoveryRecord(
            study_id=growing.record.id,
            trial=worst.number,
            kind="recovered",
            key=worst.key,
            config=worst.config.to_json(),
            recipe={},
            recipe_sha256="0" * 64,
            metrics_before={},
            metrics_after={"accuracy": 0.99},
            passes=1,
            examples=1,
            seconds=1.0,
            weights_file="weights",
            weights_sha256="0" * 64,
        )
    )
    chosen = look(growing, StudyViews(growing.ledger)).select(recovered=True)
    assert (chosen.number, chosen.metrics["accuracy"]) == (worst.number, 0.99)
    assert chosen.values == growing.stored.best(recovered=True).values


def test_a_plot_shows_the_front_the_baselines_and_what_was_selected(view: StudyView) -> None:
    marks = {mark.number: mark for mark in view.points(limit=1)}
    best = view.select().number
    assert marks[best].kind == "selected"
    assert {n for n, mark in marks.items() if mark.kind == "front"} == set(numbers(view.front())) - {best}
    assert set(numbers(view.baselines())) <= marks.keys()
    assert marks[0].label == "full model"


def test_a_plot_shows_values_and_sizes_of_its_trials(view: StudyView) -> None:
    marks = view.points()
    for mark, trial in zip(marks, view.trials([mark.number for mark in marks]), strict=True):
        assert mark.architecture == trial.architecture
        assert mark.values == (trial.metrics["accuracy"], trial.metrics["latency_ratio"])


def test_a_plot_of_few_marks_is_a_part_of_one_of_many(view: StudyView) -> None:
    few, many = ({mark.number for mark in view.points(limit=limit)} for limit in (16, 2000))
    assert few < many
    done = view.page(states=[TrialState.DONE, TrialState.PAUSED], limit=1000).trials
    assert many == {trial.number for trial in done}


def test_the_hypervolume_rises_with_each_step_to_what_it_is(view: StudyView) -> None:
    steps = view.hypervolume_curve()
    assert steps[-1].value == view.hypervolume
    assert np.all(np.diff([step.value for step in steps]) > 0)
    assert np.all(np.diff([step.told for step in steps]) > 0)
    assert view.hypervolume_curve(2) == [steps[0], steps[-1]]


def test_a_comparison_has_the_uniform_sub_network_of_about_the_cost(view: StudyView) -> None:
    found = view.compare([3, 5])
    assert found.full is not None
    assert (found.cost, found.full.number) == ("latency_ratio", 0)
    ladder = [trial for trial in view.baselines() if trial.origin == "baseline:uniform_ladder"]
    for trial, uniform in zip(found.trials, found.uniform, strict=True):
        if "latency_ratio" in trial.metrics:
            assert uniform is not None
            gaps = [abs(one.metrics["latency_ratio"] - trial.metrics["latency_ratio"]) for one in ladder]
            own = abs(uniform.metrics["latency_ratio"] - trial.metrics["latency_ratio"])
            assert own == min(gaps)


@pytest.mark.slow
def test_importances_are_shares_of_the_dimensions(grow: Grow, look: Look) -> None:
    growing = grow(seed=3)
    views = StudyViews(growing.ledger)
    assert look(growing, views).importances() == {}
    for _ in range(60):
        growing.complete(growing.propose())
    shares = look(growing, views).importances()
    assert list(shares) == ["max accuracy", "min num_parameters"]
    for found in shares.values():
        assert sum(found.values()) == pytest.approx(1.0)
