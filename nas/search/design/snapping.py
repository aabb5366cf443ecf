"""The point of a space that is nearest to a sub-network outside it."""

from __future__ import annotations

from collections.abc import Callable

from nas.search.design.knapsack import Candidate, best_points
from nas.search.design.slots import config_of
from search_spaces import ModelShape, SearchSpace, SubnetConfig
from search_spaces.units import count


def nearest_point(space: SearchSpace, target: SubnetConfig) -> SubnetConfig:
    """The point whose sizes differ least from a sub-network's, added up over layers as shares of full sizes.

    Of equally near points the cheapest.

    Args:
        space: whose points are looked at.
        target: canonical, of the space's model.
    """
    if target in space:
        return target
    found: list[Candidate] = best_points(space, _distance_to(target, space.shape))
    return config_of(space, min(found, key=lambda one: (one.loss, one.cost)).parameters)


def _distance_to(target: SubnetConfig, shape: ModelShape) -> Callable[[SubnetConfig], float]:
    wanted = _sizes(target, shape)

    def distance(config: SubnetConfig) -> float:
        return sum(abs(own - other) for own, other in zip(_sizes(config, shape), wanted, strict=True))

    return distance


def _sizes(config: SubnetConfig, shape: ModelShape) -> list[float]:
    sizes = [count(config.hidden) / shape.hidden_size]
    for units, full in zip(config.layers, shape.layers, strict=True):
        heads, ffn = (units.num_attention_heads, count(units.ffn)) if units is not None else (0, 0)
        sizes += [heads / full.num_attention_heads, ffn / full.intermediate_size]
    return sizes
