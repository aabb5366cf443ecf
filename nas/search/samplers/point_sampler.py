"""What our own samplers share: they read the archive and propose a point."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from nas.search.samplers.archive import Archive, Point, parameters_of
from nas.search.samplers.context import SamplerContext
from nas.search.samplers.lattice import Lattice


class PointSampler(BaseSampler, ABC):
    """Proposes one point; what it proposes is a function of the trials, its notes on them and the seed."""

    def __init__(self, context: SamplerContext) -> None:
        self._context = context
        self._lattice = Lattice(context)
        self._generator = np.random.default_rng(context.seed)

    @property
    def archive(self) -> Archive:
        """What is known of the trials."""
        return self._context.archive

    @abstractmethod
    def propose(self) -> Point:
        """The next point; a new and affordable one if any is found in a bounded number of tries."""

    def notes(self) -> Mapping[str, Any]:
        """What to keep with the trial that was proposed last."""
        return {}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Empty: the search space is given by `KnownSpaceSampler`."""
        del study, trial
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The proposed point, dimensions without a choice left out."""
        self.archive.read(study)
        parameters = parameters_of(self._context.space, self.propose())
        for name, note in self.notes().items():
            study._storage.set_trial_system_attr(trial._trial_id, name, note)
        return {name: value for name, value in parameters.items() if name in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The only value of a dimension without a choice."""
        sampler = RandomSampler(seed=self._context.seed)
        return sampler.sample_independent(study, trial, param_name, param_distribution)
