"""The initial design: the same first sub-networks for every sampler, baselines among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from nas.names import entry
from search_spaces import SearchSpace, SubnetConfig

LADDER_STEPS: Final = 4
RANDOM_BASELINES: Final = 3
DEFAULT_DESIGN: Final = ("full", "smallest", "middle", "uniform_ladder", "layer_drop", "random")


@dataclass(frozen=True, kw_only=True, slots=True)
class Seed:
    """A sub-network that is evaluated before a sampler is asked.

    Attributes:
        origin: `seed:NAME` or `baseline:NAME`.
    """

    config: SubnetConfig
    origin: str


def initial_design(space: SearchSpace, names: Sequence[str] = DEFAULT_DESIGN, *, seed: int = 0) -> list[Seed]:
    """Seeds of a search, those that the space does not hold left out, each sub-network once.

    The full model always comes first: budgets may be relative to it.

    Args:
        space: the search space.
        names: parts of the design.
        seed: of the random baseline.

    Raises:
        ConfigError: an unknown name.
    """
    check_design(names)
    seeds = [Seed(config=SubnetConfig.full(space.shape), origin="baseline:full")]
    for name in names:
        seeds += _PARTS[name](space, seed)
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
        entry(_PARTS, name, "part")


def _full(space: SearchSpace, seed: int) -> list[Seed]:
    del space, seed
    return []


def _smallest(space: SearchSpace, seed: int) -> list[Seed]:
    del seed
    return [Seed(config=space.smallest(), origin="seed:smallest")]


def _middle(space: SearchSpace, seed: int) -> list[Seed]:
    del seed
    return [Seed(config=space.middle(), origin="seed:middle")]


def _uniform_ladder(space: SearchSpace, seed: int) -> list[Seed]:
    del seed
    return [Seed(config=c, origin="baseline:uniform_ladder") for c in space.uniform_ladder(LADDER_STEPS)]


def _layer_drop(space: SearchSpace, seed: int) -> list[Seed]:
    """Whole layers dropped, the least important first; the rest at full size."""
    del seed
    full = SubnetConfig.full(space.shape)
    order = getattr(space, "layer_order", tuple(range(space.shape.num_hidden_layers)))
    seeds = []
    for kept in range(len(order) - 1, 0, -1):
        keep = set(order[:kept])
        layers = tuple(units if i in keep else None for i, units in enumerate(full.layers))
        seeds.append(Seed(config=replace(full, layers=layers), origin="baseline:layer_drop"))
    return seeds


def _random(space: SearchSpace, seed: int) -> list[Seed]:
    generator = np.random.default_rng([seed, 1])
    return [Seed(config=space.sample(generator), origin="baseline:random") for _ in range(RANDOM_BASELINES)]


_PARTS: Final[dict[str, Callable[[SearchSpace, int], list[Seed]]]] = {
    "full": _full,
    "smallest": _smallest,
    "middle": _middle,
    "uniform_ladder": _uniform_ladder,
    "layer_drop": _layer_drop,
    "random": _random,
}
