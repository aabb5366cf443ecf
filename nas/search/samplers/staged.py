"""The staged space: uniform sub-networks first, then sizes for each layer, by one sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import optuna
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.search.known_space import KnownSpaceSampler, distributions_of
from nas.search.samplers.archive import Archive
from nas.search.samplers.context import SamplerContext
from nas.search.samplers.optuna_samplers import generation_attributes
from nas.search.samplers.registry import sampler_factory
from search_spaces import SpaceError, StagedSpace

#: Proposals of the first stage: so many, or so many times the uniform space's dimensions if that is more.
LEAST_UNIFORM: Final = 20
UNIFORM_PER_DIMENSION: Final = 3
_POSITION: Final = "staged:position"
#: Before the names of what the sampler noted in the first stage.
_NOTE: Final = "staged:uniform:"


class StagedSampler(BaseSampler):
    """Asks a sampler in the uniform space a number of times, then in the whole space.

    Both stages are told all results that their space holds, so that the second has the first as its history.

    Args:
        context: of a staged space.
        sampler: name of the sampler of both stages.
    """

    def __init__(self, context: SamplerContext, sampler: str) -> None:
        if not isinstance(context.space, StagedSpace):
            raise TypeError(f"got a {context.space.kind} space; a staged one has two stages")
        self._space, self._context, self._name = context.space, context, sampler
        self._factory = sampler_factory(sampler)
        self._second = self._factory(context)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Empty: the search space is given by `KnownSpaceSampler`."""
        del study, trial
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A point of the uniform space while the first stage lasts, then as the sampler does."""
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        noted = (t.system_attrs[_POSITION] for t in reversed(trials) if _POSITION in t.system_attrs)
        position = int(next(noted, -1)) + 1
        if position >= num_uniform_proposals(self._space):
            return self._second.sample_relative(study, trial, search_space)
        parameters, notes = self._ask_uniform(study, trials)
        notes = {_NOTE + name: note for name, note in notes.items()} | {_POSITION: position}
        for name, note in (notes | generation_attributes(self._name, trials)).items():
            study._storage.set_trial_system_attr(trial._trial_id, name, note)
        return {name: value for name, value in parameters.items() if name in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler does."""
        return self._second.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """As the sampler does."""
        self._second.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """As the sampler does."""
        self._second.after_trial(study, trial, state, values)

    def _ask_uniform(
        self, study: Study, trials: Sequence[FrozenTrial]
    ) -> tuple[dict[str, int], Mapping[str, Any]]:
        """Parameters in the whole space of a uniform proposal, and what the sampler noted with it."""
        uniform = self._space.uniform
        archive = Archive(uniform, self._context.objectives)
        context = replace(self._context, space=uniform, archive=archive)
        distributions = distributions_of(uniform)
        first = optuna.create_study(
            storage=InMemoryStorage(),
            directions=study.directions,
            sampler=KnownSpaceSampler(self._factory(context), distributions),
        )
        for trial in trials:
            self._copy(trial, first)
        asked = first.ask(dict(distributions))
        config = uniform.decode(uniform.repaired(asked.params))
        notes = first._storage.get_trial_system_attrs(asked._trial_id)
        return self._space.encode(config), notes

    def _copy(self, trial: FrozenTrial, first: Study) -> None:
        """Add a trial to the first stage's study if the uniform space holds it."""
        if len(trial.params) < len(self._space.dimensions):
            return
        config = self._space.decode(self._space.repaired(trial.params))
        try:
            parameters = self._space.uniform.encode(config)
        except SpaceError:
            return
        own = {k.removeprefix(_NOTE): v for k, v in trial.system_attrs.items() if k.startswith(_NOTE)}
        constraints = {k: v for k, v in trial.system_attrs.items() if k.startswith("constraints:")}
        seed = {} if own else generation_attributes(self._name, ())
        first.add_trial(
            create_trial(
                state=trial.state,
                params=parameters,
                distributions=dict(distributions_of(self._space.uniform)),
                values=trial.values if trial.state is TrialState.COMPLETE else None,
                system_attrs=seed | own | constraints,
            )
        )


def num_uniform_proposals(space: StagedSpace) -> int:
    """How often the uniform space is asked first."""
    return max(LEAST_UNIFORM, UNIFORM_PER_DIMENSION * len(space.uniform.dimensions))
