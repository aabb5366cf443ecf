"""Optuna in memory: it proposes, our ledger remembers.

Each trial of the ledger has its twin here under the same number. A proposal is a function of the twins, of
the sampler's attributes and of `seed` and number alone, since each is made by a fresh sampler: so that a
study rebuilt from the ledger goes on as if it had never stopped.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import optuna
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from nas.names import entry
from nas.objectives import Objective
from nas.search.known_space import KnownSpaceSampler
from search_spaces import Dimension, SearchSpace

POPULATION: Final = 20
#: Parents of a generation are chosen among the last one and its own parents; older notes are of no more use.
KEPT_GENERATIONS: Final = 3
_GENERATION_KEY: Final = "NSGAIISampler:generation"
_PARENTS_KEY: Final = "NSGAIISampler:parent:"
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
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        *,
        sampler: str,
        seed: int,
        name: str = "nas",
    ) -> None:
        entry(_SAMPLERS, sampler, "sampler")
        self._space, self._sampler, self._seed = space, sampler, seed
        self._distributions = {dimension.name: distribution_of(dimension) for dimension in space.dimensions}
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
            attributes[_CONSTRAINT_KEY + name] = violation
        state = _state(twin)
        self.study.add_trial(
            create_trial(
                state=state,
                params=dict(twin.parameters),
                distributions=dict(self._distributions) if twin.parameters else {},
                values=_values(twin, state),
                system_attrs=attributes,
            )
        )

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
        if self._sampler != "nsga2":
            return {}
        trials = self._memory.get_all_trials(self._study_id, deepcopy=False)
        return {_GENERATION_KEY: max((t.system_attrs.get(_GENERATION_KEY, 0) for t in trials), default=0)}

    def state(self) -> dict[str, Any]:
        """The sampler's notes on the study: with the trials, all that a resume needs."""
        attributes = self._memory.get_study_system_attrs(self._study_id)
        notes = sorted((name for name in attributes if name.startswith(_PARENTS_KEY)), key=_generation)
        return {name: attributes[name] for name in notes[-KEPT_GENERATIONS:]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put `state` back; trial numbers in it stay valid because twins keep theirs."""
        for name, value in state.items():
            self._memory.set_study_system_attr(self._study_id, name, value)

    def _fresh_sampler(self, number: int) -> BaseSampler:
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        return KnownSpaceSampler(_SAMPLERS[self._sampler](seed), self._distributions)


def distribution_of(dimension: Dimension) -> IntDistribution:
    """A dimension's flat parameter as a sampler sees it."""
    low, high, step = dimension.bounds
    return IntDistribution(low, high, step=step)


def directions_of(objectives: Sequence[Objective]) -> list[Literal["maximize", "minimize"]]:
    """Directions of objectives in Optuna's words."""
    return ["maximize" if objective.direction == "max" else "minimize" for objective in objectives]


def known_samplers() -> tuple[str, ...]:
    """Names of all samplers."""
    return tuple(_SAMPLERS)


def _generation(note: str) -> int:
    return int(note.removeprefix(_PARENTS_KEY))


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


def _nsga2(seed: int) -> BaseSampler:
    return NSGAIISampler(population_size=POPULATION, seed=seed)


def _tpe(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(multivariate=True, n_startup_trials=POPULATION, seed=seed)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


_SAMPLERS: Final[dict[str, Callable[[int], BaseSampler]]] = {"nsga2": _nsga2, "tpe": _tpe, "random": _random}
