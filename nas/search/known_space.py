"""An Optuna sampler that is told its search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search_spaces import Dimension, SearchSpace


class KnownSpaceSampler(BaseSampler):
    """Samples as another sampler does, which then need not look for the search space in every trial so far.

    A sampler remembers what it has looked through; one that is made for each trial would begin anew, and
    each proposal would take longer than the last.
    """

    def __init__(self, sampler: BaseSampler, distributions: Mapping[str, BaseDistribution]) -> None:
        self._sampler = sampler
        # In Optuna's order, which decides what each random number is used for.
        self._space = {
            name: distribution
            for name, distribution in sorted(distributions.items())
            if not distribution.single()
        }

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Every dimension with a choice."""
        del study, trial
        return dict(self._space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler does."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler does."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """As the sampler does."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """As the sampler does."""
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """As the sampler does."""
        self._sampler.reseed_rng()


def distribution_of(dimension: Dimension) -> IntDistribution:
    """A dimension's flat parameter as a sampler sees it."""
    low, high, step = dimension.bounds
    return IntDistribution(low, high, step=step)


def distributions_of(space: SearchSpace) -> dict[str, IntDistribution]:
    """All flat parameters of a space as a sampler sees them."""
    return {dimension.name: distribution_of(dimension) for dimension in space.dimensions}
