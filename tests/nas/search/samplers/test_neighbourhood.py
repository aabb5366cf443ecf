"""Level switches keep the cost and the budgets; steps move one way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.search.samplers import Point, SamplerContext
from nas.search.samplers.lattice import Lattice
from nas.search.samplers.neighbourhood import COST_BAND, Neighbourhood
from search_spaces import SearchSpace, SubnetConfig, Workload, cost

SIZES = (1, 5, 17, 5, 17, 5, 17)
POINTS = st.tuples(*(st.integers(0, size - 1) for size in SIZES))
SEEDS = st.integers(0, 10_000)


def neighbourhood(lattice: Lattice, seed: int, coarsest: float = 0.25) -> Neighbourhood:
    return Neighbourhood(lattice, np.random.default_rng(seed), coarsest=coarsest)


def test_the_points_of_these_tests_are_those_of_the_space(lattice: Lattice) -> None:
    assert lattice.sizes == SIZES


@given(point=POINTS, seed=SEEDS)
def test_level_switches_keep_the_cost_within_the_band(
    medium: SearchSpace, context: Callable[..., SamplerContext], point: Point, seed: int
) -> None:
    lattice = Lattice(context(medium))
    child = neighbourhood(lattice, seed).switched(point)
    if child is not None:
        assert child != point
        assert abs(lattice.cost(child) - lattice.cost(point)) <= COST_BAND * lattice.cost(point)


@given(point=POINTS, seed=SEEDS)
def test_level_switches_stay_within_the_budget(
    medium: SearchSpace, context: Callable[..., SamplerContext], point: Point, seed: int
) -> None:
    def parameters(config: SubnetConfig) -> int:
        return cost(medium.shape, config, Workload()).num_prunable_parameters

    start = Lattice(context(medium)).config(point)
    assert start is not None
    limited = Lattice(context(medium, is_affordable=lambda c: parameters(c) <= parameters(start)))
    child = neighbourhood(limited, seed).switched(point)
    assert child is None or limited.cost(child) <= limited.cost(point)


@given(point=POINTS, seed=SEEDS)
def test_level_switches_keep_the_sum_of_each_kind_of_dimension(
    medium: SearchSpace, context: Callable[..., SamplerContext], point: Point, seed: int
) -> None:
    lattice = Lattice(context(medium))
    child = neighbourhood(lattice, seed).switched(point)
    is_inner = all(0 < index < size - 1 for index, size in zip(point[1:], SIZES[1:], strict=True))
    if child is not None and is_inner:
        assert (sum(child[1::2]), sum(child[2::2])) == (sum(point[1::2]), sum(point[2::2]))


def test_a_level_switch_is_found_where_there_is_one(lattice: Lattice) -> None:
    drawn = [neighbourhood(lattice, seed).switched((0, 2, 8, 2, 8, 2, 8)) for seed in range(20)]
    assert drawn.count(None) < 5  # two switches in a row can cancel each other out
    assert len(set(drawn)) > 5


@pytest.mark.parametrize("point", [(0, 0, 0, 0, 0, 0, 0), (0, 4, 16, 4, 16, 4, 16)])
def test_corners_of_the_space_have_no_level_switch(lattice: Lattice, point: Point) -> None:
    assert neighbourhood(lattice, 0).switched(point) is None


def test_a_uniform_space_trades_one_kind_for_another(
    space: SearchSpace, context: Callable[..., SamplerContext]
) -> None:
    lattice = Lattice(context(space))
    middle = tuple(size // 2 for size in lattice.sizes)
    children = [neighbourhood(lattice, seed).switched(middle) for seed in range(20)]
    costs = [lattice.cost(child) for child in children if child is not None]
    assert len(costs) > 3
    assert all(abs(one - lattice.cost(middle)) <= COST_BAND * lattice.cost(middle) for one in costs)


@given(point=POINTS, seed=SEEDS, sign=st.sampled_from([-1, 1]))
def test_steps_change_one_to_three_dimensions_one_way(
    medium: SearchSpace, context: Callable[..., SamplerContext], point: Point, seed: int, sign: int
) -> None:
    child = neighbourhood(Lattice(context(medium)), seed).stepped(point, sign)
    if child is None:
        assert point == ((0, 4, 16, 4, 16, 4, 16) if sign > 0 else (0,) * 7)
        return
    moves = [sign * (new - old) for new, old in zip(child, point, strict=True)]
    assert 1 <= sum(move > 0 for move in moves) <= 3
    assert min(moves) == 0
    assert all(0 <= new < size for new, size in zip(child, SIZES, strict=True))


def test_fine_steps_are_single_levels(lattice: Lattice) -> None:
    point = (0, 2, 8, 2, 8, 2, 8)
    children = [neighbourhood(lattice, seed, coarsest=0.05).stepped(point, 1) for seed in range(20)]
    moves = {new - old for child in children if child for new, old in zip(child, point, strict=True)}
    assert moves == {0, 1}


def test_a_crossing_takes_every_dimension_from_a_parent(lattice: Lattice) -> None:
    child = neighbourhood(lattice, 3).crossed((0,) * 7, (0, 4, 16, 4, 16, 4, 16))
    assert all(index in (0, size - 1) for index, size in zip(child, SIZES, strict=True))
    assert 0 < sum(child) < 60
