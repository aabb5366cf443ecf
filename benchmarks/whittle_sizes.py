"""Sizes of `benchmarks.whittle_strategies` as our sub-networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

import numpy as np

import nas
from benchmarks.whittle_case import CHOICES, Sizes

_NAMES: Final = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "ffn": "intermediate_size",
    "hidden": "hidden_size",
}


def space_of(supernet: nas.Supernet) -> nas.SearchSpace:
    """The uniform space with the values that both sides have."""
    choices = {_NAMES[name]: list(values) for name, values in CHOICES.items()}
    return supernet.space("uniform", choices=choices)


def recording_space(supernet: nas.Supernet) -> tuple[nas.SearchSpace, list[nas.SubnetConfig]]:
    """The space, and a list that every draw from it is added to."""
    space, drawn = space_of(supernet), list[nas.SubnetConfig]()
    sample = space.sample

    def recorded(generator: np.random.Generator) -> nas.SubnetConfig:
        drawn.append(sample(generator))
        return drawn[-1]

    space.sample = recorded  # type: ignore[method-assign]  # on this object only
    return space, drawn


def config_of(space: nas.SearchSpace, sizes: Sizes) -> nas.SubnetConfig:
    """Our spelling of sizes; layers are dropped in the space's order."""
    return space.decode({_NAMES[name]: value for name, value in asdict(sizes).items()})


def sizes_of(space: nas.SearchSpace, config: nas.SubnetConfig) -> Sizes:
    """Sizes of a configuration of the space."""
    values: Mapping[str, int] = space.encode(config)
    return Sizes(**{name: values[long] for name, long in _NAMES.items()})
