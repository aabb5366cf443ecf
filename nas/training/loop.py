"""The training loop: optimiser steps from where a checkpoint stands to the end of the budget."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.data import Batch, BatchedDataset
from nas.errors import ConfigError
from nas.progress import Progress
from nas.supernet import Supernet
from nas.training.budget import Budget, Spending
from nas.training.checkpoint import Position, Spent, resume_training, save_training
from nas.training.optimizer import make_optimizer, schedule
from nas.training.options import TrainOptions
from nas.training.passes import PassRunner
from nas.training.precision import prefers_bfloat16
from nas.training.ranks import Ranks
from nas.training.strategy import Step, Strategy
from nas.training.teacher import Teacher
from search_spaces import SearchSpace, sampler_of


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training run shall do; see `train_supernet`."""

    data: BatchedDataset
    strategy: Strategy
    budget: Budget
    space: SearchSpace
    options: TrainOptions
    teacher: Teacher | None
    ranks: Ranks

    @property
    def batches_a_step(self) -> int:
        """Batches that a step takes."""
        return self.strategy.batches_a_step * self.options.accumulate

    def num_steps(self) -> int:
        """Optimiser steps that the budget pays."""
        times = self.options.accumulate
        return Spending(
            data=self.data,
            seed=self.options.seed,
            batch_size=self.options.batch_size,
            batches_a_step=self.batches_a_step,
            passes_by_step=lambda steps: times * self.strategy.passes_by_step(steps, self.space),
        ).num_steps(self.budget)

    def fingerprint(self, supernet: Supernet) -> str:
        """Hash of everything that decides the weights."""
        facts: dict[str, Any] = {
            "weights": supernet.sha256,
            "data": self.data.sha256,
            "space": self.space.sha256,
            "strategy": self.strategy.facts(),
            "steps": self.num_steps(),
            "options": self.options.as_dict(),
            "teacher": None if self.teacher is None else self.teacher.sha256,
            "ranks": self.ranks.size,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Loop:
    """One training run under way; what a step needs, looked up once.

    Attributes:
        num_steps: optimiser steps of the whole run.
        spent: passes and examples so far, those of an earlier, interrupted run included.
    """

    def __init__(self, supernet: Supernet, plan: Plan, weights: dict[str, nn.Parameter]) -> None:
        self.num_steps = plan.num_steps()
        self.spent = Spent()
        self._supernet, self._plan, self._weights = supernet, plan, weights
        self._options, self._strategy = plan.options, plan.strategy
        self._optimizer = make_optimizer(weights.values(), plan.options)
        self._sampler = sampler_of(plan.options.sampler, plan.space, seed=plan.options.seed)
        self._device = next(supernet.model.parameters()).device
        self._runner = PassRunner(
            supernet, distillation=plan.options.distillation, teacher=plan.teacher, ranks=plan.ranks
        )

    def resume(self, folder: Path | None, fingerprint: str) -> int:
        """Go on where a checkpoint stands; the first step to make."""
        position = None
        if folder is not None:
            ranks = self._plan.ranks
            if ranks.rank > 0:
                ranks.wait()  # rank 0 tidies what a killed run left in the folder
            position = resume_training(
                folder, fingerprint=fingerprint, weights=self._weights, optimizer=self._optimizer
            )
            if ranks.rank == 0:
                ranks.wait()
            ranks.wait()  # nobody saves before all have read
        if position is None:
            self._runner.bfloat16 = self._plan.ranks.agree(self._wants_bfloat16())
            return 0
        self.spent, self._runner.bfloat16 = position.spent, position.is_bfloat16
        return position.step

    def _wants_bfloat16(self) -> bool:
        wanted = self._options.precision
        return wanted == "bfloat16" or (wanted == "auto" and prefers_bfloat16(str(self._device)))

    def steps(self, first: int, folder: Path | None, fingerprint: str, progress: Progress) -> list[float]:
        """Make all steps from `first` on; the label loss of each step's first pass."""
        losses: list[float] = []
        saved = time.monotonic()
        batches = self._batches(first)
        self._supernet.model.train()
        with torch.random.fork_rng(devices=[self._device] if self._device.type == "cuda" else []):
            for number in range(first, self.num_steps):
                losses.append(self._step(number, batches))
                progress(number + 1, self.num_steps, f"loss {np.mean(losses[-20:]):.3f}")
                is_due = time.monotonic() - saved >= self._options.checkpoint_seconds
                if folder is not None and (is_due or number + 1 == self.num_steps):
                    self._save(folder, number + 1, fingerprint)
                    saved = time.monotonic()
        return losses

    def _batches(self, first: int) -> Iterator[Batch]:
        every = self._plan.data.training_batches(
            self._options.batch_size,
            seed=self._options.seed,
            start_step=first * self._plan.batches_a_step,
        )
        return (self._plan.ranks.share(batch) for batch in every)

    def _step(self, number: int, batches: Iterator[Batch]) -> float:
        """One optimiser step; the label loss of its first pass.

        Raises:
            ConfigError: the loss or a gradient is not finite; the weights are those of the step before.
        """
        rank = self._plan.ranks.rank
        torch.manual_seed(_mix(self._options.seed, number, *([rank] if rank else [])))
        rate = self._options.learning_rate * schedule(number, self.num_steps, self._options.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        mini_batches = [
            list(itertools.islice(batches, self._options.accumulate))
            for _ in range(self._strategy.batches_a_step)
        ]
        self._optimizer.zero_grad(set_to_none=True)
        cost = self._runner.run(self._strategy.passes(self._moment(number)), mini_batches)
        self._update(number, cost.loss)
        self.spent = self.spent.plus(cost)
        return cost.loss

    def _moment(self, number: int) -> Step:
        return Step(
            number=number,
            num_steps=self.num_steps,
            space=self._plan.space,
            full=self._supernet.full,
            sampler=self._sampler,
            generator=np.random.default_rng([self._options.seed, number]),
            draws_before=self._strategy.draws_before(number),
        )

    def _update(self, number: int, loss: float) -> None:
        weights = list(self._weights.values())
        self._plan.ranks.add_up(weights)
        norm = float(nn.utils.clip_grad_norm_(weights, self._options.max_gradient_norm))
        is_finite = math.isfinite(loss) and math.isfinite(norm)
        if is_finite:
            self._optimizer.step()
            torch.autograd.graph.increment_version(weights)  # fused steps do not count
        self._optimizer.zero_grad(set_to_none=True)
        if not is_finite:
            raise ConfigError(
                f"training diverged at step {number}: the loss is {loss}, the norm of the gradient {norm}; "
                f"lower learning_rate (now {self._options.learning_rate})"
            )

    def _save(self, folder: Path, step: int, fingerprint: str) -> None:
        if self._plan.ranks.rank > 0:
            return
        position = Position(step=step, spent=self.spent, is_bfloat16=self._runner.bfloat16)
        save_training(
            folder, position, fingerprint=fingerprint, weights=self._weights, optimizer=self._optimizer
        )


def _mix(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
