"""Optuna in memory: it proposes, our ledger remembers.

Each trial of the ledger has its twin here under the same number. A proposal is a function of the twins, of
the sampler's attributes and of `seed` and number alone, since each is made by a fresh sampler: so that a
study rebuilt from the ledger goes on as if it had never stopped.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from nas.objectives import Objective
from nas.search.known_space import KnownSpaceSampler, distribution_of, distributions_of
from nas.search.samplers import (
    Archive,
    SamplerContext,
    StagedSampler,
    generation_attributes,
    known_samplers,
    newest_notes,
    sampler_factory,
)
from nas.search.samplers.optuna_samplers import KEPT_GENERATIONS, POPULATION
from search_spaces import SearchSpace, StagedSpace, SubnetConfig, Workload, cost

__all__ = [
    "KEPT_GENERATIONS",
    "POPULATION",
    "Proposer",
    "Twin",
    "directions_of",
    "distribution_of",
    "known_samplers",
]

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
        key: of the sub-network, where it is known; it spares decoding the parameters.
    """

    parameters: Mapping[str, int]
    attributes: Mapping[str, Any]
    values: Sequence[float] | None = None
    violations: Mapping[str, float] | None = None
    is_open: bool = False
    key: str | None = None


class Proposer:
    """Asks a sampler for sub-networks.

    Args:
        space: where they come from.
        objectives: of the study.
        sampler: name of the sampler.
        seed: of the study.
        name: of the study.
        is_affordable: whether a sub-network keeps all budgets on exact costs; without it all do.
        costs: exact costs of a sub-network, those of a default workload where it is left out.

    Attributes:
        study: the real Optuna study, in memory.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        *,
        sampler: str,
        seed: int,
        name: str = "nas",
        is_affordable: Callable[[SubnetConfig], bool] | None = None,
        costs: Callable[[SubnetConfig], Mapping[str, float]] | None = None,
    ) -> None:
        self._factory = sampler_factory(sampler)
        self._space, self._sampler, self._seed = space, sampler, seed
        self._objectives, self._archive = tuple(objectives), Archive(space, objectives)
        self._is_affordable = is_affordable or _is_affordable
        self._costs = costs or functools.partial(_default_costs, space)
        self._distributions: dict[str, BaseDistribution] = dict(distributions_of(space))
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._memory = InMemoryStorage()
        self.study = optuna.create_study(
            storage=self._memory,
            study_name=name,
            directions=directions_of(objectives),
            sampler=self._fresh_sampler(0),
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
        """Add a trial that was not asked for: a seed, or one of an earlier run.

        One without parameters, which the space does not hold, only takes its number: no sampler can learn
        from it.
        """
        attributes = dict(twin.attributes)
        for name, violation in (twin.violations or {}).items():
            attributes[sys.intern(_CONSTRAINT_KEY + name)] = violation
        state = _state(twin)
        now = datetime.now()
        trial = FrozenTrial(
            number=-1,  # given by the storage, like the id
            trial_id=-1,
            state=state,
            value=None,
            values=_values(twin, state),
            params=self._checked(twin.parameters),
            distributions=self._distributions if twin.parameters else {},
            user_attrs={},
            system_attrs=attributes,
            intermediate_values={},
            datetime_start=now,
            datetime_complete=now if state.is_finished() else None,
        )
        if twin.key is not None:
            self._archive.known_keys[self.num_trials] = twin.key
        self._memory.create_new_trial(self._study_id, template_trial=cast("FrozenTrial", _AsItIs(trial)))

    def tell(self, number: int, twin: Twin) -> None:
        """Finish an open trial; one that is finished stays as it is."""
        trial_id = self._memory.get_trial_id_from_study_id_trial_number(self._study_id, number)
        if self._memory.get_trial(trial_id).state.is_finished():
            return
        for name, violation in (twin.violations or {}).items():
            self._memory.set_trial_system_attr(trial_id, _CONSTRAINT_KEY + name, violation)
        state = _state(twin)
        self.study.tell(number, _values(twin, state), state=state)

    def seed_attributes(self) -> dict[str, Any]:
        """What a seed needs so that a genetic sampler takes it as a parent: the newest generation."""
        return generation_attributes(
            self._sampler, self._memory.get_all_trials(self._study_id, deepcopy=False)
        )

    def state(self) -> dict[str, Any]:
        """The sampler's notes on the study: with the trials, all that a resume needs."""
        return newest_notes(self._sampler, self._memory.get_study_system_attrs(self._study_id))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put `state` back; trial numbers in it stay valid because twins keep theirs."""
        for name, value in state.items():
            self._memory.set_study_system_attr(self._study_id, name, value)

    def _checked(self, parameters: Mapping[str, int]) -> dict[str, Any]:
        """Parameters that the space may have; those of most trials are checked when they are proposed.

        Raises:
            ValueError: a parameter that the space does not have, or a value outside its range.
        """
        if parameters and parameters.keys() != self._distributions.keys():
            raise ValueError(f"parameters {sorted(parameters)}, the space has {sorted(self._distributions)}")
        for name, value in parameters.items():
            if not self._distributions[name]._contains(value):
                raise ValueError(
                    f"parameter {name} is {value}, allowed are the values of {self._distributions[name]}"
                )
        return dict(parameters)

    def _fresh_sampler(self, number: int) -> BaseSampler:
        context = SamplerContext(
            space=self._space,
            objectives=self._objectives,
            seed=int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0]),
            study_seed=self._seed,
            is_affordable=self._is_affordable,
            costs=self._costs,
            archive=self._archive,
        )
        is_staged = isinstance(self._space, StagedSpace)
        sampler = StagedSampler(context, self._sampler) if is_staged else self._factory(context)
        return KnownSpaceSampler(sampler, self._distributions)


class _AsItIs:
    """A trial that is not copied deeply: a hundred thousand share one dict of distributions.

    Optuna's storage in memory takes a deep copy of what is added: most of a resume's time and memory.
    """

    def __init__(self, trial: FrozenTrial) -> None:
        self._trial = trial

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTrial:
        return self._trial


def directions_of(objectives: Sequence[Objective]) -> list[Literal["maximize", "minimize"]]:
    """Directions of objectives in Optuna's words."""
    return ["maximize" if objective.direction == "max" else "minimize" for objective in objectives]


def _state(twin: Twin) -> TrialState:
    if not twin.parameters:
        return TrialState.FAIL
    if twin.is_open:
        return TrialState.RUNNING
    if twin.values is not None:
        return TrialState.COMPLETE
    return TrialState.PRUNED if twin.violations else TrialState.FAIL


def _values(twin: Twin, state: TrialState) -> list[float] | None:
    return list(twin.values) if state is TrialState.COMPLETE and twin.values is not None else None


def _is_affordable(config: SubnetConfig) -> bool:
    del config
    return True


def _default_costs(space: SearchSpace, config: SubnetConfig) -> Mapping[str, float]:
    return cost(space.shape, config, Workload()).as_dict()
