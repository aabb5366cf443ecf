"""What a search may cost and reach, before anything is spent."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from nas.errors import InfeasibleError
from nas.objectives import Constraint
from nas.report.tables import cost_table
from nas.study.architecture import short_sizes
from nas.study.spec import StudySpec
from search_spaces import SearchSpace, SubnetConfig

SAMPLES: Final = 2000
LADDER_STEPS: Final = 20


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

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "space": self.space,
            "cardinality": self.cardinality,
            "costs": {point: dict(costs) for point, costs in self.costs.items()},
            "satisfiable": dict(self.satisfiable),
            "unknown": list(self.unknown),
        }

    def _repr_html_(self) -> str:
        return cost_table(self.space, self.cardinality, self.costs)


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
    sampled = sample_space(space)
    prices = [spec.costs(config) for config in sampled]
    satisfiable = {
        str(c): sum(c.violation(price[c.metric], spec.full_costs) <= 0 for price in prices) / len(prices)
        for c in spec.exact_constraints
    }
    check_feasible(spec, itertools.chain(sampled, staircase(space)))
    exact = {str(c) for c in spec.exact_constraints}
    return Profile(
        space=space.kind,
        cardinality=space.cardinality,
        costs=costs,
        satisfiable=satisfiable,
        unknown=tuple(str(c) for c in spec.constraints if str(c) not in exact),
    )


def require_feasible(spec: StudySpec, space: SearchSpace) -> None:
    """Refuse budgets on exact costs that no sub-network of the space meets.

    Raises:
        InfeasibleError: with the binding constraint and what comes nearest.
    """
    if spec.exact_constraints:
        check_feasible(spec, itertools.chain(sample_space(space), staircase(space)))


def check_feasible(spec: StudySpec, configs: Iterable[SubnetConfig]) -> None:
    """Refuse budgets on exact costs that none of the sub-networks meets; looks no further than the first.

    The smallest and the largest are among them: they decide budgets exactly that bound from one side only.

    Raises:
        InfeasibleError: with the binding constraint and what comes nearest.
    """
    constraints = spec.exact_constraints
    if not constraints:
        return
    best: tuple[float, Constraint, SubnetConfig] | None = None
    seen = set()
    for config in configs:
        seen.add(config.key)
        costs = spec.costs(config)
        worst, binding = max(
            ((c.violation(costs[c.metric], spec.full_costs), c) for c in constraints),
            key=lambda pair: pair[0],
        )
        if worst <= 0:
            return
        if best is None or worst < best[0]:
            best = (worst, binding, config)
    assert best is not None
    _, binding, nearest = best
    reached, limit = spec.costs(nearest)[binding.metric], binding.threshold(spec.full_costs)
    raise InfeasibleError(
        f"no sub-network of this space meets {_listed(constraints)} ({len(seen):,} looked at): the "
        f"nearest has {binding.metric} {reached:,.0f}, the bound is {limit:,.0f}; "
        "relax the constraint or widen the space",
        str(binding),
        f"{binding.metric} = {reached:,.0f} with {short_sizes(spec.shape, nearest)}",
    )


def sample_space(space: SearchSpace) -> list[SubnetConfig]:
    """What feasibility is judged by: all of a small space, else extreme, evenly spaced and random points."""
    if space.cardinality <= SAMPLES:
        return [space.decode(point) for point in space.points()]
    generator = np.random.default_rng(0)
    random = [space.sample(generator) for _ in range(SAMPLES)]
    return [space.smallest(), space.largest(), *space.uniform_ladder(LADDER_STEPS), *random]


def staircase(space: SearchSpace) -> Iterator[SubnetConfig]:
    """Points from the smallest to the largest that differ in one dimension each, all dimensions in turn.

    Random points of many dimensions crowd around the middle; narrow windows of cost elsewhere hold these.
    """
    corners = [space.smallest(), *space.uniform_ladder(LADDER_STEPS), space.largest()]
    rungs = [space.encode(config) for config in corners]
    for low, high in itertools.pairwise(rungs):
        point = dict(low)
        for name in low:
            point[name] = high[name]
            yield space.decode(space.repaired(point))


def _listed(constraints: Sequence[Constraint]) -> str:
    return " and ".join(repr(str(constraint)) for constraint in constraints)
