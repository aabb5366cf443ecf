"""Which sub-networks a step trains, and on what.

Losses of a step's passes are summed, not averaged, and make one optimiser step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np

from nas.names import entry
from search_spaces import SearchSpace, SubnetConfig

Target = Literal["labels", "labels+teacher"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward/backward pass.

    Attributes:
        config: the sub-network.
        target: what its logits are compared with; the teacher is the step's first pass.
    """

    config: SubnetConfig
    target: Target = "labels"


class Strategy(ABC):
    """Chooses the passes of each step.

    Attributes:
        name: the name it is configured by.
        passes_a_step: forward/backward passes of one optimiser step.
    """

    name: ClassVar[str]
    passes_a_step: ClassVar[int]

    @abstractmethod
    def passes(
        self, space: SearchSpace, full: SubnetConfig, generator: np.random.Generator
    ) -> Sequence[Pass]:
        """Passes of one step, `passes_a_step` of them."""


class Standard(Strategy):
    """The full network only: ordinary fine-tuning."""

    name = "standard"
    passes_a_step = 1

    def passes(
        self, space: SearchSpace, full: SubnetConfig, generator: np.random.Generator
    ) -> Sequence[Pass]:
        """The full network."""
        del space, generator
        return [Pass(full)]


class RandomStrategy(Strategy):
    """One random sub-network a step. Source: Klein et al. 2024, Sec. 3.2."""

    name = "random"
    passes_a_step = 1

    def passes(
        self, space: SearchSpace, full: SubnetConfig, generator: np.random.Generator
    ) -> Sequence[Pass]:
        """A draw from the space."""
        del full
        return [Pass(space.sample(generator))]


class Sandwich(Strategy):
    """Full, smallest and two random sub-networks. Source: Yu & Huang 2019 (US-Nets, arXiv 1903.05134)."""

    name = "sandwich"
    passes_a_step = 4
    target: ClassVar[Target] = "labels"

    def passes(
        self, space: SearchSpace, full: SubnetConfig, generator: np.random.Generator
    ) -> Sequence[Pass]:
        """The full network comes first: it is the teacher."""
        smaller = [space.sample(generator), space.sample(generator), space.smallest()]
        return [Pass(full), *(Pass(config, self.target) for config in smaller)]


class SandwichDistillation(Sandwich):
    """A sandwich whose sub-networks also learn from the full network of the same step.

    Source: Klein et al. 2024, Sec. 3.2 ("full"): labels and in-place distillation together; US-Nets takes
    the soft targets alone.
    """

    name = "sandwich_kd"
    target = "labels+teacher"


_STRATEGIES: Final = {s.name: s for s in (Standard(), RandomStrategy(), Sandwich(), SandwichDistillation())}


def strategy_of(name: str) -> Strategy:
    """The strategy of a name.

    Raises:
        ConfigError: there is none.
    """
    return entry(_STRATEGIES, name, "strategy")


def known_strategies() -> tuple[str, ...]:
    """Names of all strategies."""
    return tuple(_STRATEGIES)
