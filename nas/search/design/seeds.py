"""The initial design: the same first sub-networks for every sampler, baselines among them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from nas.names import entry
from nas.search.design import ladders
from nas.search.design.ladders import IsAffordable
from nas.search.design.measuring import SeedMeasurements
from search_spaces import SearchSpace, SubnetConfig

logger = logging.getLogger(__name__)

LADDER_STEPS: Final = 4
RANDOM_BASELINES: Final = 3
DEFAULT_DESIGN: Final = ("full", "smallest", "middle", "uniform_ladder", "layer_drop", "knapsack", "random")


@dataclass(frozen=True, kw_only=True, slots=True)
class Seed:
    """A sub-network that is evaluated before a sampler is asked.

    Attributes:
        origin: `seed:NAME` or `baseline:NAME`.
    """

    config: SubnetConfig
    origin: str


def initial_design(
    space: SearchSpace,
    names: Sequence[str] = DEFAULT_DESIGN,
    *,
    seed: int = 0,
    measured: SeedMeasurements | None = None,
    is_affordable: IsAffordable | None = None,
    layer_order: Sequence[int] | None = None,
) -> list[Seed]:
    """Seeds of a search, those that the space does not hold left out, each sub-network once.

    The full model always comes first: budgets may be relative to it.

    Args:
        space: the search space.
        names: parts of the design.
        seed: of the random baseline.
        measured: what importance_ladder, greedy and knapsack are made from; without it they are left out.
        is_affordable: whether a sub-network is within the budgets on exact costs, which these three keep;
            everything is unless told.
        layer_order: layers from the most to the least important, where the space has no such order.

    Raises:
        ConfigError: an unknown name.
    """
    check_design(names)
    seeds = [Seed(config=SubnetConfig.full(space.shape), origin="baseline:full")]
    order = layer_order or range(space.shape.num_hidden_layers)
    request = _Request(space=space, seed=seed, layer_order=getattr(space, "layer_order", order))
    for name in names:
        if name in _PARTS:
            seeds += _PARTS[name](request)
        elif measured is None:
            logger.info("seeds %s are left out: the supernet has no labelled calibration data", name)
        else:
            affordable = is_affordable or _everything
            configs = filter(affordable, _MEASURED[name](space, measured, affordable))
            seeds += [Seed(config=config, origin=f"seed:{name}") for config in configs]
    kept: dict[str, Seed] = {}
    for one in seeds:
        is_full = one.origin == "baseline:full"
        if one.config.key not in kept and (is_full or one.config in space):
            kept[one.config.key] = one
    return list(kept.values())


def check_design(names: Sequence[str]) -> None:
    """Refuse parts that no initial design has.

    Raises:
        ConfigError: an unknown name.
    """
    for name in names:
        entry({**_PARTS, **_MEASURED}, name, "part")


def has_measured(names: Sequence[str]) -> bool:
    """Whether parts of a design are made from measurements."""
    return any(name in _MEASURED for name in names)


def _everything(config: SubnetConfig) -> bool:
    del config
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    space: SearchSpace
    seed: int
    layer_order: Sequence[int]


def _full(request: _Request) -> list[Seed]:
    del request
    return []


def _smallest(request: _Request) -> list[Seed]:
    return [Seed(config=request.space.smallest(), origin="seed:smallest")]


def _middle(request: _Request) -> list[Seed]:
    return [Seed(config=request.space.middle(), origin="seed:middle")]


def _uniform_ladder(request: _Request) -> list[Seed]:
    ladder = request.space.uniform_ladder(LADDER_STEPS)
    return [Seed(config=config, origin="baseline:uniform_ladder") for config in ladder]


def _layer_drop(request: _Request) -> list[Seed]:
    """Whole layers dropped, the least important first; the rest at full size."""
    full, order = SubnetConfig.full(request.space.shape), request.layer_order
    seeds = []
    for kept in range(len(order) - 1, 0, -1):
        keep = set(order[:kept])
        layers = tuple(units if i in keep else None for i, units in enumerate(full.layers))
        seeds.append(Seed(config=replace(full, layers=layers), origin="baseline:layer_drop"))
    return seeds


def _random(request: _Request) -> list[Seed]:
    generator = np.random.default_rng([request.seed, 1])
    draws = [request.space.sample(generator) for _ in range(RANDOM_BASELINES)]
    return [Seed(config=config, origin="baseline:random") for config in draws]


_PARTS: Final[dict[str, Callable[[_Request], list[Seed]]]] = {
    "full": _full,
    "smallest": _smallest,
    "middle": _middle,
    "uniform_ladder": _uniform_ladder,
    "layer_drop": _layer_drop,
    "random": _random,
}
_MEASURED: Final[dict[str, Callable[[SearchSpace, SeedMeasurements, IsAffordable], list[SubnetConfig]]]] = {
    "importance_ladder": ladders.importance_ladder,
    "greedy": ladders.greedy,
    "knapsack": ladders.knapsack,
}
