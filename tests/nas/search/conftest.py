"""A tiny model's space, and a simulated search on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from nas.objectives import Objective
from nas.search import Proposer, Twin
from nas.supernet import Supernet
from search_spaces import SearchSpace

OBJECTIVES = (Objective("accuracy", "max"), Objective("num_parameters", "min"))


@dataclass
class History:
    """A search as the ledger would hold it: twins by number, and what the sampler noted on the study."""

    space: SearchSpace
    sampler: str
    seed: int = 0
    limit: int = 10**9
    twins: list[Twin] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)

    def proposer(self) -> Proposer:
        """Built anew from the twins and the notes, as after a crash."""
        proposer = Proposer(self.space, OBJECTIVES, sampler=self.sampler, seed=self.seed)
        for twin in self.twins:
            proposer.add(twin)
        proposer.restore(self.state)
        return proposer

    def step(self, proposer: Proposer) -> None:
        """Ask for a sub-network and tell how it did."""
        parameters, attributes = proposer.ask()
        twin = self.outcome(parameters, attributes)
        self.state = proposer.state()
        proposer.tell(len(self.twins), twin)
        self.twins.append(twin)

    def outcome(self, parameters: Mapping[str, int], attributes: Mapping[str, Any]) -> Twin:
        """Every seventh evaluation fails; what is over the limit is never evaluated."""
        size = parameters["intermediate_size"] * parameters["num_hidden_layers"]
        excess = size / self.limit - 1
        if excess > 0:
            return Twin(parameters=parameters, attributes=attributes, violations={"size": excess})
        if (size + parameters["hidden_size"]) % 7 == 0:
            return Twin(parameters=parameters, attributes=attributes)
        score = 1 - 1 / (1 + size * parameters["num_attention_heads"])
        values = (score, float(size * parameters["hidden_size"]))
        return Twin(
            parameters=parameters, attributes=attributes, values=values, violations={"size": min(excess, 0.0)}
        )

    @property
    def asked(self) -> list[Mapping[str, int]]:
        """Parameters of all trials by number."""
        return [twin.parameters for twin in self.twins]


@pytest.fixture(scope="session")
def supernet(tiny_model: Callable[..., Any]) -> Supernet:
    """Hidden size 32, 3 layers, 4 heads, 64 neurons."""
    return Supernet.from_model(
        tiny_model(hidden_size=32, num_attention_heads=4, intermediate_size=64, vocab_size=100)
    )


@pytest.fixture(scope="session")
def space(supernet: Supernet) -> SearchSpace:
    """The default uniform space."""
    return supernet.space("uniform")


@pytest.fixture(scope="session")
def history() -> type[History]:
    """The simulated search."""
    return History
