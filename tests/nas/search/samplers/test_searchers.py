"""What the samplers of our own have in common, and what each is for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nas.objectives import Objective
from nas.pareto import hypervolume, non_dominated
from search_spaces import SearchSpace

OWN = ("local_search", "evolution", "greedy", "grid")
#: Accuracy 0 at the full model's size; sizes are shares of that.
REFERENCE = (0.0, 1.01)


def volume(run: Any, count: int | None = None) -> float:
    """Hypervolume of the first trials."""
    full = run.costs(run.space.largest())["num_prunable_parameters"]
    values = [twin.values for twin in run.twins[:count] if twin.values]
    return hypervolume(np.array([(-accuracy, size / full) for accuracy, size in values]), REFERENCE)


@pytest.mark.parametrize("sampler", OWN)
def test_sixty_trials_are_worth_more_than_the_full_model(
    medium: SearchSpace, search: Callable[..., Any], sampler: str
) -> None:
    run = search(medium, sampler)
    run.run(60)
    assert volume(run) > hypervolume(np.array([(-1.0, 1.0)]), REFERENCE)


@pytest.mark.parametrize("sampler", ["local_search", "evolution"])
def test_it_improves_on_its_initial_design(
    medium: SearchSpace, search: Callable[..., Any], sampler: str
) -> None:
    run = search(medium, sampler)
    run.add_seeds()
    seeds = len(run.twins)
    run.run(60 - seeds)
    assert volume(run) > volume(run, seeds) + 0.02


def test_evolution_beats_random_search_at_equal_trials(
    medium: SearchSpace, search: Callable[..., Any]
) -> None:
    volumes = {}
    for sampler in ("evolution", "random"):
        run = search(medium, sampler)
        run.add_seeds()
        run.run(25)
        volumes[sampler] = volume(run)
    assert volumes["evolution"] > volumes["random"] + 0.02


@pytest.mark.parametrize("sampler", OWN)
def test_nothing_is_proposed_twice_nor_over_budget(
    medium: SearchSpace, search: Callable[..., Any], sampler: str
) -> None:
    run = search(medium, sampler, budget=0.5)
    run.run(40)
    assert len(set(run.keys)) == 40
    assert all(twin.values is not None for twin in run.twins)


@pytest.mark.parametrize("sampler", OWN)
def test_a_batch_has_no_repeats(medium: SearchSpace, search: Callable[..., Any], sampler: str) -> None:
    run = search(medium, sampler)
    run.add_seeds()
    asked = [run.proposer.ask()[0] for _ in range(8)]
    assert len({medium.decode(parameters).key for parameters in asked}) == 8


@pytest.mark.parametrize("sampler", OWN)
def test_all_of_a_small_space_is_found(
    space: SearchSpace, supernet: Any, search: Callable[..., Any], sampler: str
) -> None:
    choices = {"hidden_size": [32], "intermediate_size": [16, 64], "num_attention_heads": [2, 4]}
    small = supernet.space("uniform", choices=choices)
    assert small.cardinality == 12
    run = search(small, sampler)
    run.run(12)
    assert len(set(run.keys)) == 12


@pytest.mark.parametrize("sampler", [*OWN, "nsga2", "nsga3", "tpe", "random"])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_one_to_four_objectives_are_searched(
    medium: SearchSpace, search: Callable[..., Any], sampler: str, count: int
) -> None:
    metrics = ("num_prunable_parameters", "macs", "weight_bytes")
    objectives = [Objective("accuracy", "max"), *(Objective(name, "min") for name in metrics)][:count]
    run = search(medium, sampler, objectives=objectives, budget=0.6)
    run.run(24)
    assert sum(twin.values is not None for twin in run.twins) >= 8


def test_evolution_finds_smaller_sub_networks_above_a_floor_of_quality(
    medium: SearchSpace, search: Callable[..., Any]
) -> None:
    smallest = {}
    for sampler in ("evolution", "random"):
        objectives = (Objective("num_prunable_parameters", "min"),)
        run = search(medium, sampler, objectives=objectives, floor=0.8)
        run.run(40)
        above = [twin for twin in run.twins if twin.violations["accuracy >= 1"] <= 0]
        smallest[sampler] = min((twin.values[0] for twin in above), default=math.inf)
    assert smallest["evolution"] < smallest["random"]


def test_evolution_of_one_objective_finds_the_best_within_the_budget(
    medium: SearchSpace, search: Callable[..., Any]
) -> None:
    volumes = {}
    for sampler in ("evolution", "random"):
        run = search(medium, sampler, objectives=(Objective("accuracy", "max"),), budget=0.5)
        run.run(35)
        volumes[sampler] = max(twin.values[0] for twin in run.twins if twin.values)
    assert volumes["evolution"] > volumes["random"]


def test_local_search_changes_one_dimension_of_a_member_of_the_front(
    medium: SearchSpace, search: Callable[..., Any]
) -> None:
    run = search(medium, "local_search")
    run.add_seeds()
    values = np.array([(-twin.values[0], twin.values[1]) for twin in run.twins])
    front = [twin.parameters for twin, is_on in zip(run.twins, non_dominated(values), strict=True) if is_on]
    asked, _ = run.proposer.ask()
    changed = [sum(asked[name] != value for name, value in parent.items()) for parent in front]
    assert min(changed) == 1


def test_greedy_shrinks_where_it_loses_least_per_saved_cost(
    medium: SearchSpace, search: Callable[..., Any]
) -> None:
    run = search(medium, "greedy")
    run.run(1 + len(medium.dimensions))  # the largest, its six neighbours, and one of the next step
    start, *neighbours, following = run.twins
    assert medium.decode(dict(start.parameters)) == medium.largest()
    rates = [(start.values[0] - t.values[0]) / (start.values[1] - t.values[1]) for t in neighbours]
    best = neighbours[int(np.argmin(rates))].parameters
    differing = [name for name, value in best.items() if following.parameters[name] != value]
    assert len(differing) == 1


def test_greedy_starts_within_the_budget(medium: SearchSpace, search: Callable[..., Any]) -> None:
    run = search(medium, "greedy", budget=0.5)
    run.run(1)
    macs = run.costs(medium.decode(dict(run.twins[0].parameters)))["macs"]
    full = run.costs(medium.largest())["macs"]
    assert 0.4 * full < macs <= 0.5 * full
