"""Ladders of sub-networks from measurements: by importance, by greedy descent, by a knapsack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from nas.errors import InfeasibleError
from nas.importance.allocation import allocate
from nas.search.design.descent import descend, num_parameters
from nas.search.design.knapsack import Candidate, best_points
from nas.search.design.measuring import SeedMeasurements
from nas.search.design.slots import config_of
from nas.search.design.snapping import nearest_point
from search_spaces import SearchSpace, SubnetConfig

#: Sub-networks of a ladder.
STEPS: Final = 4
#: Sub-networks under a budget that are tried until one is within the search's own budgets.
TRIES: Final = 64

#: Whether a sub-network is within a search's budgets on exact costs.
IsAffordable = Callable[[SubnetConfig], bool]


def importance_ladder(
    space: SearchSpace, measured: SeedMeasurements, is_affordable: IsAffordable
) -> list[SubnetConfig]:
    """Units of all layers by one threshold on their standardised importance, snapped to the space."""
    full = num_parameters(SubnetConfig.full(space.shape), space)
    ladder = []
    for budget in budgets(space, measured, is_affordable):
        try:
            target = allocate(measured.unit_scores, space.shape, budget=budget / full)
        except InfeasibleError:  # the embedding alone is larger; narrower ones are not allocated
            continue
        ladder.append(nearest_point(space, target))
    return ladder


def greedy(space: SearchSpace, measured: SeedMeasurements, is_affordable: IsAffordable) -> list[SubnetConfig]:
    """Stations of a greedy descent whose best moves are measured anew on the way."""
    path = descend(space, measured.block_scores(space), loss=measured.loss)
    within = [[point for point in path if point.cost <= b] for b in budgets(space, measured, is_affordable)]
    return [points[0].config for points in within if points]


def knapsack(
    space: SearchSpace, measured: SeedMeasurements, is_affordable: IsAffordable
) -> list[SubnetConfig]:
    """The least sum of block scores under each budget."""
    found = best_points(space, measured.block_scores(space).increase)
    chosen = [_best(space, found, b, is_affordable) for b in budgets(space, measured, is_affordable)]
    return [config for config in chosen if config is not None]


def budgets(space: SearchSpace, measured: SeedMeasurements, is_affordable: IsAffordable) -> list[int]:
    """Numbers of weights, evenly spaced between the smallest point and the largest within a search's budgets.

    The largest is among them where budgets bind, since the best are often found there; the full model needs
    no seed of its own.
    """
    low = num_parameters(space.smallest(), space)
    largest = space.largest()
    if is_affordable(largest):
        high = num_parameters(largest, space)
        return [low + (high - low) * step // (STEPS + 1) for step in range(STEPS, 0, -1)]
    path = descend(space, measured.block_scores(space))
    high = next((point.cost for point in path if is_affordable(point.config)), low)
    return [low + (high - low) * step // STEPS for step in range(STEPS, 0, -1)]


def _best(
    space: SearchSpace, found: Sequence[Candidate], budget: int, is_affordable: IsAffordable
) -> SubnetConfig | None:
    """The best candidate within a budget, and within the search's own; a few cheaper ones are tried."""
    within = [candidate for candidate in found if candidate.cost <= budget]
    for candidate in within[: -TRIES - 1 : -1]:
        config = config_of(space, candidate.parameters)
        if num_parameters(config, space) <= budget and is_affordable(config):
            return config
    return None
