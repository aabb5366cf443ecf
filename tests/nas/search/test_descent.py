"""Greedy descent."""

from __future__ import annotations

import pytest

from nas.search.design.block_scores import BlockScores, Measured
from nas.search.design.descent import RECHECKED_MOVES, RECHECKS, Point, descend
from nas.search.design.knapsack import best_points
from nas.search.design.probes import PLANS, probes_of, rest_of
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from search_spaces.units import count

#: What a layer's sub-layers are worth.
WORTH = (1.0, 4.0, 2.0)


@pytest.fixture(scope="module")
def scores(supernet: Supernet) -> BlockScores:
    """Losses rise the faster the smaller a sub-layer is, by the layer's worth."""
    measured = [
        Measured(
            probe=probe,
            increase=WORTH[int(probe.block[0])] * ((1 - probe.share) ** 2 - 0.25),
            error=0.0,
        )
        for probe in probes_of(supernet.shape, PLANS[0])
    ]
    return BlockScores.of(supernet.shape, rest_of(supernet.shape, PLANS[0]), measured)


@pytest.mark.parametrize("kind", ["medium", "sublayer", "layer", "uniform", "large"])
def test_a_path_leads_from_the_largest_to_the_smallest_point_by_ever_smaller_ones(
    supernet: Supernet, scores: BlockScores, kind: str
) -> None:
    space = supernet.space(kind)
    path = descend(space, scores)
    costs = [point.cost for point in path]
    assert path[0].config == space.largest()
    assert costs == sorted(set(costs), reverse=True)
    assert costs[-1] == supernet.cost(space.smallest()).num_parameters
    assert all(point.config in space for point in path)


def test_what_is_worth_least_goes_first(supernet: Supernet, scores: BlockScores) -> None:
    path = descend(supernet.space("layer"), scores)
    assert [point.config.kept_layers for point in path] == [(0, 1, 2), (1, 2), (1,), ()]


def test_stations_of_additive_and_convex_losses_are_optimal(supernet: Supernet, scores: BlockScores) -> None:
    space = supernet.space("sublayer")
    best = {one.cost: one.loss for one in best_points(space, scores.increase)}
    for point in descend(space, scores):
        cheaper = [loss for cost, loss in best.items() if cost <= point.cost]
        assert point.increase == pytest.approx(min(cheaper))


def test_moves_that_cost_more_than_scored_are_put_off(supernet: Supernet, scores: BlockScores) -> None:
    space = supernet.space("medium", choices={"num_attention_heads": [4]})

    def loss(config: SubnetConfig) -> float:
        """Layer 0, which the scores hold to be worth least, is worth most."""
        widths = [count(units.ffn) if units is not None else 0 for units in config.layers]
        return 100.0 - 2.0 * widths[0] - 0.01 * widths[1] - 0.01 * widths[2]

    def width_at_half(path: list[Point]) -> int:
        half = (path[0].cost + path[-1].cost) / 2
        units = next(point for point in path if point.cost <= half).config.layers[0]
        return count(units.ffn) if units is not None else 0

    trusting, checked = descend(space, scores), descend(space, scores, loss=loss)
    assert width_at_half(checked) > width_at_half(trusting)


def test_measuring_anew_is_bounded(supernet: Supernet, scores: BlockScores) -> None:
    calls: list[SubnetConfig] = []

    def loss(config: SubnetConfig) -> float:
        calls.append(config)
        return 0.0

    descend(supernet.space("medium"), scores, loss=loss)
    assert 0 < len(calls) <= RECHECKS * (RECHECKED_MOVES + 1)
