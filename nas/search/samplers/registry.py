"""Samplers by name."""

from __future__ import annotations

from typing import Final

from nas.names import entry
from nas.search.samplers import optuna_samplers
from nas.search.samplers.context import Factory
from nas.search.samplers.evolution import EvolutionSampler
from nas.search.samplers.greedy import GreedySampler
from nas.search.samplers.grid import GridSampler
from nas.search.samplers.local_search import LocalSearchSampler

_SAMPLERS: Final[dict[str, Factory]] = {
    "nsga2": optuna_samplers.nsga2,
    "nsga3": optuna_samplers.nsga3,
    "tpe": optuna_samplers.tpe,
    "gp": optuna_samplers.gp,
    "random": optuna_samplers.random,
    "local_search": LocalSearchSampler,
    "evolution": EvolutionSampler,
    "greedy": GreedySampler,
    "grid": GridSampler,
}


def sampler_factory(name: str) -> Factory:
    """What makes the sampler of a name.

    Raises:
        ConfigError: there is none of that name.
    """
    return entry(_SAMPLERS, name, "sampler")


def known_samplers() -> tuple[str, ...]:
    """Names of all samplers."""
    return tuple(_SAMPLERS)
