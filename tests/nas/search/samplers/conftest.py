"""A per-layer space of a tiny model, a quality that can be computed, and searches on both."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from nas.objectives import Objective
from nas.search import Proposer, Seed, Twin, initial_design
from nas.search.samplers import Archive, Point, SamplerContext
from nas.search.samplers.archive import parameters_of
from nas.search.samplers.lattice import Lattice
from nas.supernet import Supernet
from search_spaces import SearchSpace, SubnetConfig, Workload, cost

OBJECTIVES = (Objective("accuracy", "max"), Objective("num_prunable_parameters", "min"))


class Search:
    """A search without a ledger: seeds first, then what the sampler proposes.

    Quality falls smoothly with what is cut, in some dimensions much faster than in others.
    """

    def __init__(
        self,
        space: SearchSpace,
        sampler: str,
        *,
        seed: int = 0,
        objectives: Sequence[Objective] = OBJECTIVES,
        budget: float = math.inf,
        floor: float | None = None,
    ) -> None:
        self.space, self.sampler, self.seed = space, sampler, seed
        self.objectives, self.budget, self.floor = tuple(objectives), budget, floor
        self.twins: list[Twin] = []
        self.state: dict[str, Any] = {}
        self.proposer = self.rebuilt()

    def rebuilt(self) -> Proposer:
        """A proposer as after a crash: from the twins and the notes on the study."""
        proposer = Proposer(
            self.space,
            self.objectives,
            sampler=self.sampler,
            seed=self.seed,
            is_affordable=self.is_affordable,
            costs=self.costs,
        )
        for twin in self.twins:
            proposer.add(twin)
        proposer.restore(self.state)
        return proposer

    def add_seeds(self, seeds: Sequence[Seed] | None = None) -> None:
        """Evaluate the initial design."""
        for seed in initial_design(self.space, seed=0) if seeds is None else seeds:
            twin = self.evaluated(self.space.encode(seed.config), self.proposer.seed_attributes())
            self.proposer.add(twin)
            self.twins.append(twin)

    def run(self, proposals: int) -> None:
        """Ask and tell."""
        for _ in range(proposals):
            parameters, attributes = self.proposer.ask()
            twin = self.evaluated(parameters, attributes)
            self.state = self.proposer.state()
            self.proposer.tell(len(self.twins), twin)
            self.twins.append(twin)

    def evaluated(self, parameters: Mapping[str, int], attributes: Mapping[str, Any]) -> Twin:
        """The twin of a trial that was evaluated, or that is over budget."""
        config = self.space.decode(parameters)
        if not self.is_affordable(config):
            return Twin(parameters=parameters, attributes=attributes, violations={"macs <= 1": 1.0})
        metrics = {"accuracy": self.accuracy(config), **self.costs(config)}
        violations = {} if self.floor is None else {"accuracy >= 1": self.floor - metrics["accuracy"]}
        return Twin(
            parameters=parameters,
            attributes=attributes,
            values=tuple(metrics[objective.metric] for objective in self.objectives),
            violations=violations,
        )

    def accuracy(self, config: SubnetConfig) -> float:
        """1 for the full model."""
        damage = 0.0
        for index, (units, full) in enumerate(zip(config.layers, self.space.shape.layers, strict=True)):
            heads = units.num_attention_heads if units else 0
            width = units.ffn if units else 0
            assert isinstance(width, int)
            damage += (0.1 + 0.4 * (index == 1)) * (1 - heads / full.num_attention_heads) ** 2
            damage += (0.05 + 0.3 * (index == 0)) * (1 - width / full.intermediate_size) ** 2
        return math.exp(-damage)

    def costs(self, config: SubnetConfig) -> dict[str, float]:
        """Exact costs."""
        return cost(self.space.shape, config, Workload()).as_dict()

    def is_affordable(self, config: SubnetConfig) -> bool:
        """Whether the operations are within the budget, a share of the full model's."""
        full = self.costs(SubnetConfig.full(self.space.shape))["macs"]
        return self.costs(config)["macs"] <= self.budget * full

    @property
    def keys(self) -> list[str]:
        """Of what was evaluated or proposed, by number."""
        return [self.space.decode(dict(twin.parameters)).key for twin in self.twins]


@pytest.fixture(scope="session")
def medium(supernet: Supernet) -> SearchSpace:
    """Heads (5 choices) and FFN widths (17) of 3 layers."""
    return supernet.space("medium")


@pytest.fixture(scope="session")
def search() -> type[Search]:
    """The search."""
    return Search


@pytest.fixture(scope="session")
def context() -> Callable[..., SamplerContext]:
    """Make a context without trials."""

    def make(
        space: SearchSpace,
        *,
        objectives: Sequence[Objective] = OBJECTIVES,
        seed: int = 0,
        is_affordable: Callable[[SubnetConfig], bool] = lambda config: True,
    ) -> SamplerContext:
        return SamplerContext(
            space=space,
            objectives=tuple(objectives),
            seed=seed,
            study_seed=seed,
            is_affordable=is_affordable,
            costs=lambda config: cost(space.shape, config, Workload()).as_dict(),
            archive=Archive(space, objectives),
        )

    return make


@pytest.fixture(scope="session")
def config_of() -> Callable[[SearchSpace, Point], SubnetConfig]:
    """The sub-network of a point."""
    return lambda space, point: space.decode(parameters_of(space, point))


@pytest.fixture
def lattice(medium: SearchSpace, context: Callable[..., SamplerContext]) -> Lattice:
    """Points of the per-layer space."""
    return Lattice(context(medium))
