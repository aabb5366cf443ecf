"""What a strategy is: it chooses the sub-networks that each optimiser step trains."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from search_spaces import Sampler, SearchSpace, SubnetConfig

Target = Literal["labels", "labels+teacher"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward/backward pass.

    Attributes:
        config: the sub-network.
        target: what its outputs are compared with where the teacher is in place, which is the first pass
            on the same mini-batch. A frozen teacher teaches every pass.
        batch: which of the step's mini-batches it sees.
    """

    config: SubnetConfig
    target: Target = "labels"
    batch: int = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """An optimiser step as a strategy sees it.

    Attributes:
        number: counted from 0.
        num_steps: of the whole run.
        space: sub-networks to choose from.
        full: the full network.
        sampler: of the space.
        generator: the step's own, a function of seed and number.
        draws_before: draws of all earlier steps.
    """

    number: int
    num_steps: int
    space: SearchSpace
    full: SubnetConfig
    sampler: Sampler
    generator: np.random.Generator
    draws_before: int

    def draw(self, count: int) -> list[SubnetConfig]:
        """Sub-networks of the sampler."""
        return [self.sampler.draw(self.draws_before + index, self.generator) for index in range(count)]


class Strategy(ABC):
    """Chooses the passes of each step. Losses of a step's passes are summed and make one optimiser step.

    What it chooses must be a function of the step alone, so that an interrupted run can go on.

    Attributes:
        name: the name it is configured by.
        uses_sampler: whether it takes sub-networks from the sampler.
    """

    name: ClassVar[str]
    uses_sampler: ClassVar[bool] = False

    @abstractmethod
    def passes(self, step: Step) -> Sequence[Pass]:
        """Passes of one step; those of a mini-batch start with its teacher, if there is one."""

    @property
    @abstractmethod
    def passes_a_step(self) -> int:
        """Passes of one step, the most of all where steps differ."""

    @property
    def batches_a_step(self) -> int:
        """Mini-batches of one step, each seen by equally many passes."""
        return 1

    def passes_by_step(self, num_steps: int, space: SearchSpace) -> npt.NDArray[np.int64]:
        """Passes of every step of a run of so many, `(num_steps,)`."""
        del space
        return np.full(num_steps, self.passes_a_step)

    def draws_before(self, step: int) -> int:
        """Draws from the sampler in the steps before this one."""
        return step

    def facts(self) -> dict[str, Any]:
        """Name and settings, JSON-ready: what decides the passes besides seed and space."""
        settings: dict[str, Any] = dataclasses.asdict(self) if dataclasses.is_dataclass(self) else {}
        return {"name": self.name, **settings}
