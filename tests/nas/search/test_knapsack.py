"""The knapsack against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.search.design.descent import num_parameters
from nas.search.design.knapsack import Option, best_points, frontier, solve
from nas.search.design.slots import config_of
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from search_spaces.units import count

options = st.builds(
    lambda cost, loss: Option(filling={}, cost=cost, loss=loss / 4),
    st.integers(0, 12),
    st.integers(-8, 8),
)
layers = st.lists(st.lists(options, min_size=1, max_size=5), min_size=1, max_size=4)


def concave_loss(config: SubnetConfig) -> float:
    """Additive over layers, with a slope of its own in each."""
    total = 64.0 / count(config.hidden)
    for index, units in enumerate(config.layers):
        size = 0 if units is None else 3 * units.num_attention_heads + count(units.ffn) / 16
        total += (index + 1) / (1 + size)
    return total


@given(layers=layers, limit=st.integers(0, 50))
def test_the_best_choice_under_any_budget_is_found(layers: list[list[Option]], limit: int) -> None:
    every = [(sum(o.cost for o in row), sum(o.loss for o in row)) for row in itertools.product(*layers)]
    expected = min((loss for cost, loss in every if cost <= limit), default=None)
    state = solve(layers)
    within = state.losses[state.costs <= limit]
    assert (float(within.min()) if len(within) else None) == expected


@given(layers=layers)
def test_each_state_is_what_its_choices_add_up_to(layers: list[list[Option]]) -> None:
    state = solve(layers)
    for cost, loss, row in zip(state.costs, state.losses, state.choices, strict=True):
        chosen = [own[index] for own, index in zip(layers, row, strict=True)]
        assert sum(option.cost for option in chosen) == cost
        assert sum(option.loss for option in chosen) == loss


@given(points=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_the_frontier_holds_one_of_each_pair_that_nothing_dominates(points: list[tuple[int, int]]) -> None:
    costs, losses = (
        (np.array(column, dtype=int) for column in zip(*points, strict=True))
        if points
        else (
            np.zeros(0, dtype=int),
            np.zeros(0, dtype=int),
        )
    )
    kept = [(int(costs[i]), int(losses[i])) for i in frontier(costs, losses)]
    undominated = {
        point
        for point in points
        if not any(o != point and o[0] <= point[0] and o[1] <= point[1] for o in points)
    }
    assert kept == sorted(undominated)


@pytest.mark.parametrize("kind", ["medium", "sublayer", "layer", "uniform"])
def test_points_of_a_space_are_as_good_as_any_under_every_budget(supernet: Supernet, kind: str) -> None:
    choices = {
        "medium": {"num_attention_heads": [0, 2, 4], "intermediate_size": [0, 32], "hidden_size": [16, 32]},
        "uniform": {"intermediate_size": [16, 32, 64], "hidden_size": [16, 24, 32]},
    }
    space = supernet.space(kind, choices=choices.get(kind))
    every = {config.key: config for config in map(space.decode, space.points())}.values()
    priced = [(num_parameters(config, space), concave_loss(config)) for config in every]
    found = best_points(space, concave_loss)
    for limit in {cost for cost, _ in priced}:
        best = min(loss for cost, loss in priced if cost <= limit)
        mine = [one for one in found if one.cost <= limit][-1]
        assert mine.loss == pytest.approx(best)
        config = config_of(space, mine.parameters)
        assert (num_parameters(config, space), concave_loss(config)) == (
            mine.cost,
            pytest.approx(mine.loss),
        )
