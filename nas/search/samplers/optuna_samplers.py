"""Optuna's samplers with our settings."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterable
from typing import Any, Final

import optuna
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial

from nas.errors import ConfigError
from nas.search.samplers.context import SamplerContext

POPULATION: Final = 20
#: Parents of a generation are chosen among the last one and its own parents; older notes are of no more use.
KEPT_GENERATIONS: Final = 3
_GENETIC: Final[dict[str, type[NSGAIISampler] | type[NSGAIIISampler]]] = {
    "nsga2": NSGAIISampler,
    "nsga3": NSGAIIISampler,
}


def nsga2(context: SamplerContext) -> BaseSampler:
    """NSGA-II, `POPULATION` a generation."""
    return NSGAIISampler(population_size=POPULATION, seed=context.seed)


def nsga3(context: SamplerContext) -> BaseSampler:
    """NSGA-III, `POPULATION` a generation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return NSGAIIISampler(population_size=POPULATION, seed=context.seed)


def tpe(context: SamplerContext) -> BaseSampler:
    """Multivariate TPE, which also learns from what is over budget."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(multivariate=True, n_startup_trials=POPULATION, seed=context.seed)


def gp(context: SamplerContext) -> BaseSampler:
    """A Gaussian process with expected (hypervolume) improvement; its time grows with the trials cubed.

    Raises:
        ConfigError: SciPy or torch is not installed.
    """
    for package in ("scipy", "torch"):  # Optuna imports them when it is first asked
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"sampler gp needs {package}: install it, or choose tpe or evolution")
    return GPSampler(n_startup_trials=POPULATION, seed=context.seed, warn_independent_sampling=False)


def random(context: SamplerContext) -> BaseSampler:
    """Every dimension drawn uniformly."""
    return RandomSampler(seed=context.seed)


def generation_attributes(sampler: str, trials: Iterable[FrozenTrial]) -> dict[str, Any]:
    """What a trial that was not asked for needs so that a genetic sampler breeds from it.

    That is the newest generation of `trials`; empty for samplers without generations.
    """
    if sampler not in _GENETIC:
        return {}
    key = _GENETIC[sampler]._get_generation_key()
    return {key: max((trial.system_attrs.get(key, 0) for trial in trials), default=0)}


def newest_notes(sampler: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """What a genetic sampler noted on the study of its last generations, all that a resume needs."""
    if sampler not in _GENETIC:
        return {}
    prefix = _GENETIC[sampler]._get_parent_cache_key_prefix()
    notes = sorted(
        (name for name in attributes if name.startswith(prefix)),
        key=lambda name: int(name.removeprefix(prefix)),
    )
    return {name: attributes[name] for name in notes[-KEPT_GENERATIONS:]}
