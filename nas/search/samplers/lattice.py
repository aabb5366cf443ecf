"""A space as points of value indices, with what is known of a point before its evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from nas.objectives import EXACT_METRICS
from nas.search.samplers.archive import Point, parameters_of
from nas.search.samplers.context import SamplerContext
from search_spaces import SpaceError, SubnetConfig

#: What stands for the size where no objective is an exact cost.
_DEFAULT_COST: Final = "macs"
_RANDOM_TRIES: Final = 200


class Lattice:
    """The points of a space, each looked up once.

    Attributes:
        sizes: number of values in each dimension.
        free: dimensions with a choice.
        kinds: name of each dimension without its layer; those of one kind can be exchanged.
        exact_objectives: whether each objective is an exact cost.
        cost_metric: the exact cost that is traded: the first objective that is one.
    """

    def __init__(self, context: SamplerContext) -> None:
        self._context = context
        dimensions = context.space.dimensions
        self.sizes = tuple(len(dimension.values) for dimension in dimensions)
        self.free = tuple(i for i, size in enumerate(self.sizes) if size > 1)
        self.kinds = tuple(dimension.name.rpartition(".")[2] for dimension in dimensions)
        self.exact_objectives = tuple(o.metric in EXACT_METRICS for o in context.objectives)
        exact = [o.metric for o in context.objectives if o.metric in EXACT_METRICS]
        self.cost_metric = exact[0] if exact else _DEFAULT_COST
        self._configs: dict[Point, SubnetConfig | None] = {}
        self._costs: dict[Point, Mapping[str, float]] = {}
        self._allowed: dict[Point, bool] = {}

    @property
    def smallest(self) -> Point:
        """Every dimension at its lowest value."""
        return (0,) * len(self.sizes)

    @property
    def largest(self) -> Point:
        """Every dimension at its highest value."""
        return tuple(size - 1 for size in self.sizes)

    def config(self, point: Point) -> SubnetConfig | None:
        """The sub-network of a point; None where the space has a rule against it."""
        if point not in self._configs:
            space = self._context.space
            try:
                self._configs[point] = space.decode(parameters_of(space, point))
            except SpaceError:
                self._configs[point] = None
        return self._configs[point]

    def costs(self, point: Point) -> Mapping[str, float]:
        """Exact costs by metric; empty where the space has a rule against the point."""
        if point not in self._costs:
            config = self.config(point)
            self._costs[point] = {} if config is None else self._context.costs(config)
        return self._costs[point]

    def cost(self, point: Point) -> float:
        """The cost that is traded; infinite where the space has a rule against the point."""
        return self.costs(point).get(self.cost_metric, np.inf)

    def is_allowed(self, point: Point) -> bool:
        """Whether the space holds it and it keeps all budgets on exact costs."""
        if point not in self._allowed:
            config = self.config(point)
            self._allowed[point] = config is not None and self._context.is_affordable(config)
        return self._allowed[point]

    def is_new(self, point: Point) -> bool:
        """Whether it is allowed and nobody has asked for it."""
        config = self.config(point)
        return config is not None and config.key not in self._context.archive.keys and self.is_allowed(point)

    def scaled(self, point: Point) -> list[float]:
        """Share of each free dimension's range, 0 smallest, 1 largest."""
        return [point[i] / (self.sizes[i] - 1) for i in self.free]

    def random(self, generator: np.random.Generator) -> Point:
        """A point drawn uniformly, new if one is found within 200 draws."""
        point = self.smallest
        for _ in range(_RANDOM_TRIES):
            point = tuple(int(index) for index in generator.integers(self.sizes))
            if self.is_new(point):
                break
        return point
