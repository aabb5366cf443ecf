"""Strategies that sample a space, and one that trains given sub-networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError
from nas.training.strategy import Pass, Step, Strategy, Target
from search_spaces import SearchSpace, SubnetConfig


class Standard(Strategy):
    """The full network only: ordinary fine-tuning."""

    name = "standard"
    passes_a_step = 1

    def passes(self, step: Step) -> Sequence[Pass]:
        """The full network."""
        return [Pass(step.full)]


@dataclass(frozen=True, kw_only=True)
class _Sampling(Strategy):
    """Takes `count` sub-networks from the sampler each step."""

    count: int = 1
    uses_sampler: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"count is {self.count}; a step of {self.name} samples at least 1 sub-network")

    def draws_before(self, step: int) -> int:
        """See `Strategy.draws_before`."""
        return step * self.count


@dataclass(frozen=True, kw_only=True)
class RandomStrategy(_Sampling):
    """Random sub-networks. Source: Klein et al. 2024 (arXiv 2405.02267), Sec. 3.2, which takes two a step."""

    name: ClassVar[str] = "random"

    @property
    def passes_a_step(self) -> int:
        """See `Strategy.passes_a_step`."""
        return self.count

    def passes(self, step: Step) -> Sequence[Pass]:
        """Draws alone."""
        return [Pass(config) for config in step.draw(self.count)]


class RandomLinear(Strategy):
    """The full network, and with a probability that rises from 0 to 1 a random sub-network instead.

    Source: Klein et al. 2024, Sec. 3.2: a draw with p = t / T at step t of T.
    """

    name = "random_linear"
    uses_sampler = True
    passes_a_step = 1

    def passes(self, step: Step) -> Sequence[Pass]:
        """One or the other."""
        is_random = step.generator.random() < step.number / step.num_steps
        return [Pass(step.draw(1)[0] if is_random else step.full)]


@dataclass(frozen=True, kw_only=True)
class Alternating(_Sampling):
    """Sub-networks at even steps, the full network at odd ones.

    Source: `ats` in the code of Sukthanker et al. 2024 (arXiv 2410.06479).
    """

    name: ClassVar[str] = "ats"

    @property
    def passes_a_step(self) -> int:
        """See `Strategy.passes_a_step`."""
        return self.count

    def passes_by_step(self, num_steps: int, space: SearchSpace) -> npt.NDArray[np.int64]:
        """See `Strategy.passes_by_step`."""
        del space
        return np.where(np.arange(num_steps) % 2 == 0, self.count, 1)

    def draws_before(self, step: int) -> int:
        """See `Strategy.draws_before`."""
        return (step + 1) // 2 * self.count

    def passes(self, step: Step) -> Sequence[Pass]:
        """Draws, or the full network."""
        return [Pass(step.full)] if step.number % 2 else [Pass(config) for config in step.draw(self.count)]


@dataclass(frozen=True, kw_only=True)
class Sandwich(_Sampling):
    """Full, random and smallest sub-networks. Source: Yu & Huang 2019 (US-Nets, arXiv 1903.05134)."""

    count: int = 2
    name: ClassVar[str] = "sandwich"
    target: ClassVar[Target] = "labels"

    @property
    def passes_a_step(self) -> int:
        """See `Strategy.passes_a_step`."""
        return self.count + 2

    def passes(self, step: Step) -> Sequence[Pass]:
        """The full network comes first: it is the teacher."""
        smaller = [*step.draw(self.count), step.space.smallest()]
        return [Pass(step.full), *(Pass(config, self.target) for config in smaller)]


@dataclass(frozen=True, kw_only=True)
class SandwichDistillation(Sandwich):
    """A sandwich whose sub-networks also learn from the full network of the same step.

    Source: Klein et al. 2024, Sec. 3.2 ("full"): labels and in-place distillation together; US-Nets takes
    the soft targets alone, which `Distillation(labels=0)` gives.
    """

    name: ClassVar[str] = "sandwich_kd"
    target: ClassVar[Target] = "labels+teacher"


@dataclass(frozen=True, kw_only=True)
class InPlaceDistillation(_Sampling):
    """The full network, and random sub-networks that also learn from it. Source: Klein et al. 2024 ("kd")."""

    name: ClassVar[str] = "kd"

    @property
    def passes_a_step(self) -> int:
        """See `Strategy.passes_a_step`."""
        return self.count + 1

    def passes(self, step: Step) -> Sequence[Pass]:
        """The full network comes first: it is the teacher."""
        students = [Pass(config, "labels+teacher") for config in step.draw(self.count)]
        return [Pass(step.full), *students]


@dataclass(frozen=True)
class FixedStrategy(Strategy):
    """Given sub-networks, one after another in equal shares of the steps.

    One of them is one-shot recovery. Several that shrink step by step are pruning and training in turn
    (Adapt-Pruner, arXiv 2502.03460).

    Attributes:
        configs: in the order of their training.
        target: `labels+teacher` demands a frozen teacher, since the full network is not trained.
    """

    configs: tuple[SubnetConfig, ...]
    target: Target = field(default="labels", kw_only=True)
    name: ClassVar[str] = "fixed"
    passes_a_step: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.configs:
            raise ConfigError("configs is empty; give at least one sub-network to train")

    def passes(self, step: Step) -> Sequence[Pass]:
        """The sub-network whose turn it is."""
        turn = step.number * len(self.configs) // step.num_steps
        return [Pass(self.configs[turn], self.target)]

    def facts(self) -> dict[str, Any]:
        """See `Strategy.facts`."""
        return {"name": self.name, "configs": [config.key for config in self.configs]}
