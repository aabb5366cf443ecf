"""What a sampler is made from, anew for each proposal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from optuna.samplers import BaseSampler

from nas.objectives import Objective
from nas.search.samplers.archive import Archive
from search_spaces import SearchSpace, SubnetConfig


@dataclass(frozen=True, kw_only=True)
class SamplerContext:
    """All that a proposal may depend on, the study's trials and their attributes besides.

    Attributes:
        space: where sub-networks come from.
        objectives: of the study, in its order.
        seed: of this proposal.
        study_seed: the same for all proposals of a study.
        is_affordable: whether a sub-network keeps all budgets on exact costs.
        costs: exact costs of a sub-network by metric.
        archive: what is known of the study's trials; brought up to date with its `read`.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    seed: int
    study_seed: int
    is_affordable: Callable[[SubnetConfig], bool]
    costs: Callable[[SubnetConfig], Mapping[str, float]]
    archive: Archive


Factory: TypeAlias = "Callable[[SamplerContext], BaseSampler]"
