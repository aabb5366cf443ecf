"""What a search may cost and reach, before anything is spent."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nas.errors import InfeasibleError
from nas.objectives import EXACT_METRICS, Constraint
from nas.study.spec import StudySpec
from search_spaces import SearchSpace, SubnetConfig

SAMPLES = 2000


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Costs over a space, and whether each budget can be met.

    Attributes:
        space: its kind.
        cardinality: number of points.
        costs: by point (`smallest`, `middle`, `largest`, `full`), the exact costs by name.
        satisfiable: by constraint on an exact cost, the share of random sub-networks that meet it.
        unknown: constraints that only an evaluation can answer.
    """

    space: str
    cardinality: int
    costs: Mapping[str, Mapping[str, float]]
    satisfiable: Mapping[str, float]
    unknown: tuple[str, ...]

    def _repr_html_(self) -> str:
        points = list(self.costs)
        head = "".join(f"<th>{html.escape(point)}</th>" for point in points)
        body = "".join(
            f"<tr><td>{name}</td>" + "".join(f"<td>{self.costs[p][name]:,.0f}</td>" for p in points) + "</tr>"
            for name in EXACT_METRICS
        )
        return f"<table><tr><th>{html.escape(self.space)}</th>{head}</tr>{body}</table>"


def profile(spec: StudySpec, space: SearchSpace) -> Profile:
    """Price the extreme points and a sample of a space.

    Raises:
        InfeasibleError: no sub-network meets the constraints on exact costs.
    """
    points = {
        "smallest": space.smallest(),
        "middle": space.middle(),
        "largest": space.largest(),
        "full": SubnetConfig.full(spec.shape),
    }
    costs = {name: spec.costs(config) for name, config in points.items()}
    sampled = _sample(space)
    prices = [spec.costs(config) for config in sampled]
    satisfiable = {
        str(c): sum(c.violation(price[c.metric], spec.full_costs) <= 0 for price in prices) / len(prices)
        for c in spec.exact_constraints
    }
    check_feasible(spec, sampled)
    exact = {str(c) for c in spec.exact_constraints}
    return Profile(
        space=space.kind,
        cardinality=space.cardinality,
        costs=costs,
        satisfiable=satisfiable,
        unknown=tuple(str(c) for c in spec.constraints if str(c) not in exact),
    )


def check_feasible(spec: StudySpec, sampled: list[SubnetConfig]) -> None:
    """Refuse budgets on exact costs that none of the sub-networks meets.

    The smallest sub-network is among them, and it decides every upper bound exactly.

    Raises:
        InfeasibleError: with the binding constraint and what comes nearest.
    """
    constraints = spec.exact_constraints
    if not constraints:
        return
    best: tuple[float, Constraint, SubnetConfig] | None = None
    for config in sampled:
        costs = spec.costs(config)
        worst, binding = max(
            ((c.violation(costs[c.metric], spec.full_costs), c) for c in constraints), key=lambda pair: pair[0]
        )
        if worst <= 0:
            return
        if best is None or worst < best[0]:
            best = (worst, binding, config)
    assert best is not None
    _, binding, nearest = best
    reached = spec.costs(nearest)[binding.metric]
    limit = binding.threshold(spec.full_costs)
    raise InfeasibleError(
        f"no sub-network of this space meets {str(binding)!r}: the nearest has {binding.metric} {reached:,.0f}, "
        f"the bound is {limit:,.0f}; relax the constraint or widen the space",
        str(binding),
        f"{binding.metric} = {reached:,.0f} with {_sizes(nearest)}",
    )


def sample_space(space: SearchSpace) -> list[SubnetConfig]:
    """Extreme points, a uniform ladder and random points: what feasibility is judged by."""
    return _sample(space)


def _sample(space: SearchSpace) -> list[SubnetConfig]:
    generator = np.random.default_rng(0)
    random = [space.sample(generator) for _ in range(min(SAMPLES, 4 * space.cardinality))]
    return [space.smallest(), space.largest(), *space.uniform_ladder(20), *random]


def _sizes(config: SubnetConfig) -> str:
    return f"{len(config.kept_layers)} layers"
