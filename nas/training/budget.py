"""How much training may cost."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.data import BatchedDataset
from nas.data.order import batch_plan, num_batches
from nas.errors import ConfigError

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """A compute budget that treats all strategies alike; give one of the two.

    Attributes:
        passes: forward/backward passes of one sub-network over one batch. A sandwich step costs four.
        examples: examples seen, once a pass.
    """

    passes: int | None = None
    examples: int | None = None

    def __post_init__(self) -> None:
        if (self.passes is None) == (self.examples is None):
            raise ConfigError(
                f"a budget is either passes or examples; given are passes={self.passes}, "
                f"examples={self.examples}"
            )
        if self.limit < 1:
            raise ConfigError(f"{self.unit} is {self.limit}; it must be at least 1")

    @property
    def unit(self) -> str:
        """What is counted: `passes` or `examples`."""
        return "passes" if self.passes is not None else "examples"

    @property
    def limit(self) -> int:
        """How much of it."""
        limit = self.passes if self.passes is not None else self.examples
        assert limit is not None
        return limit


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What the steps of a run cost, known before it starts.

    Attributes:
        data: what the batches are made of.
        seed: of their order.
        batch_size: examples of a full batch.
        batches_a_step: batches that a step takes.
        passes_by_step: passes of each step of a run of so many steps.
    """

    data: BatchedDataset
    seed: int
    batch_size: int
    batches_a_step: int
    passes_by_step: Callable[[int], Counts]

    def num_steps(self, budget: Budget) -> int:
        """Optimiser steps that fit.

        Raises:
            ConfigError: not even one does.
        """
        cost = self.passes if budget.unit == "passes" else self.examples
        one = int(cost(1).sum())
        if budget.limit < one:
            raise ConfigError(
                f"{budget.unit} is {budget.limit}, but one step of this strategy costs {one}; "
                "give at least that"
            )
        return _largest(lambda steps: int(cost(steps).sum()), budget.limit)

    def passes(self, num_steps: int) -> Counts:
        """Passes of each step, `(num_steps,)`."""
        return self.passes_by_step(num_steps)

    def examples(self, num_steps: int) -> Counts:
        """Examples of each step, once a pass, `(num_steps,)`."""
        sizes = self._batch_sizes(num_steps * self.batches_a_step)
        by_step = sizes.reshape(num_steps, self.batches_a_step).sum(axis=1)
        examples: Counts = self.passes(num_steps) // self.batches_a_step * by_step
        return examples

    def _batch_sizes(self, count: int) -> Counts:
        """Examples of the first batches, `(count,)`."""
        an_epoch = num_batches(len(self.data), self.batch_size)
        if len(self.data) % self.batch_size == 0:
            return np.full(count, self.batch_size)
        sizes: list[int] = []
        lengths: Any = self.data.lengths
        for epoch in range(-(-count // an_epoch)):
            plan = batch_plan(lengths, self.batch_size, order="shuffled", seed=self.seed, epoch=epoch)
            sizes += map(len, plan)
        return np.array(sizes[:count], dtype=np.int64)


def _largest(cost: Callable[[int], int], limit: int) -> int:
    """The largest number of steps whose cost, which never falls, is within the limit; at least 1."""
    fits = 1
    while cost(2 * fits) <= limit:
        fits *= 2
    return fits - 1 + bisect.bisect_right(range(fits, 2 * fits), limit, key=cost)
