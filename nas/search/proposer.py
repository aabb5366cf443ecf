"""Optuna in memory: it proposes, our ledger remembers.

Each trial of the ledger has its twin here under the same number. A proposal is a function of the twins, of
the sampler's attributes and of `seed` and number alone, since each is made by a fresh sampler: so that a
study rebuilt from the ledger goes on as if it had never stopped.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import optuna
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from nas.errors import ConfigError
from nas.objectives import Objective
from search_spaces import SearchSpace

POPULATION: Final = 20
_GENERATION_KEY: Final = "NSGAIISampler:generation"
_CONSTRAINT_KEY: Final = "constraints:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Twin:
    """A ledger trial as Optuna must see it.

    Attributes:
        parameters: flat parameters.
        attributes: what the sampler noted when it proposed.
        values: objective values; None where it failed, is infeasible or still open.
        violations: by constraint, at most 0 where satisfied; empty where unknown.
        is_open: not finished yet.
    """

    parameters: Mapping[str, int]
    attributes: Mapping[str, Any]
    values: Sequence[float] | None = None
    violations: Mapping[str, float] | None = None
    is_open: bool = False


class Proposer:
    """Asks an Optuna sampler for sub-networks.

    Attributes:
        study: the real Optuna study, in memory.
    """

    def __init__(
        self, space: SearchSpace, objectives: Sequence[Objective], *, sampler: str, seed: int, name: str = "nas"
    ) -> None:
        if sampler not in _SAMPLERS:
            near = difflib.get_close_matches(sampler, _SAMPLERS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"unknown sampler {sampler!r}; allowed are {', '.join(_SAMPLERS)}{hint}")
        self._space, self._sampler, self._seed = space, sampler, seed
        self._distributions = {
            d.name: IntDistribution(d.bounds[0], d.bounds[1], step=d.bounds[2]) for d in space.dimensions
        }
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._memory = InMemoryStorage()
        directions = ["maximize" if o.direction == "max" else "minimize" for o in objectives]
        self.study = optuna.create_study(
            storage=self._memory, study_name=name, directions=directions, sampler=self._fresh_sampler(0)
        )
        self._study_id = self._memory.get_study_id_from_name(name)

    @property
    def num_trials(self) -> int:
        """Trials so far, and the number of the next."""
        return int(self._memory.get_n_trials(self._study_id))

    def ask(self) -> tuple[dict[str, int], dict[str, Any]]:
        """Parameters of the next trial, and what the sampler noted with them."""
        self.study.sampler = self._fresh_sampler(self.num_trials)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = self.study.ask(dict(self._distributions))
        attributes = self._memory.get_trial_system_attrs(trial._trial_id)
        return {name: int(value) for name, value in trial.params.items()}, dict(attributes)

    def add(self, twin: Twin) -> None:
        """Add a trial that was not asked for: a seed, or one of an earlier run."""
        attributes = dict(twin.attributes)
        for name, violation in (twin.violations or {}).items():
            attributes[_CONSTRAINT_KEY + name] = violation
        self.study.add_trial(
            create_trial(
                state=_state(twin),
                params=dict(twin.parameters),
                distributions=dict(self._distributions),
                values=list(twin.values) if twin.values is not None else None,
                system_attrs=attributes,
            )
        )

    def tell(self, number: int, twin: Twin) -> None:
        """Finish an open trial."""
        trial_id = self._memory.get_trial_id_from_study_id_trial_number(self._study_id, number)
        for name, violation in (twin.violations or {}).items():
            self._memory.set_trial_system_attr(trial_id, _CONSTRAINT_KEY + name, violation)
        values = list(twin.values) if twin.values is not None else None
        self.study.tell(number, values, state=_state(twin))

    def seed_attributes(self) -> dict[str, Any]:
        """What a seed needs so that a genetic sampler takes it as a parent."""
        return {_GENERATION_KEY: 0} if self._sampler == "nsga2" else {}

    def state(self) -> dict[str, Any]:
        """The sampler's notes on the study: with the trials, all that a resume needs."""
        attributes = self._memory.get_study_system_attrs(self._study_id)
        return {name: value for name, value in attributes.items() if name.startswith("NSGAIISampler:")}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put `state` back; trial numbers in it stay valid because twins keep theirs."""
        for name, value in state.items():
            self._memory.set_study_system_attr(self._study_id, name, value)

    def _fresh_sampler(self, number: int) -> BaseSampler:
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        return _SAMPLERS[self._sampler](seed)


def known_samplers() -> tuple[str, ...]:
    """Names of all samplers."""
    return tuple(_SAMPLERS)


def _state(twin: Twin) -> TrialState:
    if twin.is_open:
        return TrialState.RUNNING
    if twin.values is not None:
        return TrialState.COMPLETE
    return TrialState.PRUNED if twin.violations else TrialState.FAIL


def _nsga2(seed: int) -> BaseSampler:
    return NSGAIISampler(population_size=POPULATION, seed=seed)


def _tpe(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(multivariate=True, n_startup_trials=POPULATION, seed=seed)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


_SAMPLERS: Final[dict[str, Callable[[int], BaseSampler]]] = {"nsga2": _nsga2, "tpe": _tpe, "random": _random}
