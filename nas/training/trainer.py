"""The training loop."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.data import Batch, BatchedDataset
from nas.errors import ConfigError
from nas.progress import Progress, no_progress, progress_bar
from nas.supernet import Supernet
from nas.tasks import distillation_loss, mean_loss, task_of
from nas.training.budget import Budget
from nas.training.checkpoint import Position, resume_training, save_training
from nas.training.optimizer import make_optimizer, no_gradients, schedule, trainable_weights
from nas.training.options import TrainOptions
from nas.training.precision import prefers_bfloat16
from nas.training.strategies import Pass, Strategy, strategy_of
from search_spaces import SearchSpace


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingReport:
    """What a training run did.

    Attributes:
        strategy: its name.
        steps: optimiser steps, those of an earlier, interrupted run included.
        passes: forward/backward passes.
        examples: examples seen, once a pass.
        full_loss: mean label loss of the step's first pass, with `random` a sub-network's, otherwise the
            full network's, over the last tenth of the steps made here.
        seconds: wall time of this call.
        resumed_at: step that this call began at.
    """

    strategy: str
    steps: int
    passes: int
    examples: int
    full_loss: float
    seconds: float
    resumed_at: int


def train_supernet(
    supernet: Supernet,
    data: BatchedDataset,
    *,
    strategy: str | Strategy = "sandwich_kd",
    budget: Budget,
    space: SearchSpace | None = None,
    options: TrainOptions | None = None,
    checkpoint: str | Path | None = None,
    show_progress_bar: bool = False,
) -> TrainingReport:
    """Train a supernet's weights in place.

    Args:
        supernet: rank it first, so that sub-networks keep its best units.
        data: labelled training data.
        strategy: which sub-networks each step trains.
        budget: forward/backward passes.
        space: sub-networks to sample; the uniform space unless given.
        options: settings.
        checkpoint: folder to resume from and to save to now and then.
        show_progress_bar: on standard error.

    Raises:
        ConfigError: labels that do not fit the model, or a checkpoint of another run.
    """
    settings = options or TrainOptions()
    task_of(supernet.task).check(data, supernet.model.config)
    run = _Run(
        supernet, data, strategy_of(strategy) if isinstance(strategy, str) else strategy, budget, settings
    )
    run.space = space or supernet.space("uniform")
    with progress_bar("training", enabled=show_progress_bar) as progress:
        return run.train(Path(checkpoint) if checkpoint is not None else None, progress)


class _Run:
    """One training run; what a step needs, looked up once."""

    space: SearchSpace

    def __init__(
        self,
        supernet: Supernet,
        data: BatchedDataset,
        strategy: Strategy,
        budget: Budget,
        options: TrainOptions,
    ) -> None:
        self.supernet, self.data, self.strategy, self.options = supernet, data, strategy, options
        self.num_steps = budget.steps(strategy.passes_a_step)
        self.device = next(supernet.model.parameters()).device
        self.weights = trainable_weights(supernet.model, options.frozen)
        self.optimizer = make_optimizer(self.weights.values(), options)
        self.examples = 0
        self.is_bfloat16 = False

    def train(self, checkpoint: Path | None, progress: Progress = no_progress) -> TrainingReport:
        start, fingerprint = time.monotonic(), self._fingerprint()
        first = self._resume(checkpoint, fingerprint)
        try:
            with no_gradients(self.supernet.model, but=self.weights.values()):
                losses = self._steps(first, checkpoint, fingerprint, progress)
        finally:
            self.supernet.model.train(mode=False)
        passes = self.num_steps * self.strategy.passes_a_step
        tail = losses[-max(1, len(losses) // 10) :]
        report = TrainingReport(
            strategy=self.strategy.name,
            steps=self.num_steps,
            passes=passes,
            examples=self.examples,
            full_loss=float(np.mean(tail)) if tail else math.nan,
            seconds=time.monotonic() - start,
            resumed_at=first,
        )
        self.supernet.provenance["training"] = {"strategy": report.strategy, "passes": passes}
        return report

    def _resume(self, checkpoint: Path | None, fingerprint: str) -> int:
        """Go on where a checkpoint stands; the first step to make."""
        position = None
        if checkpoint is not None:
            position = resume_training(
                checkpoint, fingerprint=fingerprint, weights=self.weights, optimizer=self.optimizer
            )
        if position is None:
            wanted = self.options.precision
            self.is_bfloat16 = wanted == "bfloat16" or (
                wanted == "auto" and prefers_bfloat16(str(self.device))
            )
            return 0
        self.examples, self.is_bfloat16 = position.examples, position.is_bfloat16
        return position.step

    def _steps(
        self, first: int, checkpoint: Path | None, fingerprint: str, progress: Progress
    ) -> list[float]:
        losses: list[float] = []
        saved = time.monotonic()
        batches = self.data.training_batches(
            self.options.batch_size, seed=self.options.seed, start_step=first
        )
        self.supernet.model.train()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            for step in range(first, self.num_steps):
                losses.append(self.step(step, next(batches)))
                progress(step + 1, self.num_steps, f"loss {np.mean(losses[-20:]):.3f}")
                is_due = time.monotonic() - saved >= self.options.checkpoint_seconds
                if checkpoint is not None and (is_due or step + 1 == self.num_steps):
                    self._save(checkpoint, step + 1, fingerprint)
                    saved = time.monotonic()
        return losses

    def step(self, step: int, batch: Batch) -> float:
        """One optimiser step; the label loss of its first pass.

        Raises:
            ConfigError: the loss or a gradient is not finite; the weights are those of the step before.
        """
        torch.manual_seed(_mix(self.options.seed, step))
        generator = np.random.default_rng([self.options.seed, step])
        rate = self.options.learning_rate * schedule(step, self.num_steps, self.options.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        passes = self.strategy.passes(self.space, self.supernet.full, generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss = accumulate(self.supernet, passes, batch, self.options.temperature, bfloat16=self.is_bfloat16)
        norm = nn.utils.clip_grad_norm_(list(self.weights.values()), self.options.max_gradient_norm)
        if math.isfinite(loss) and math.isfinite(norm):
            self.optimizer.step()
            torch.autograd.graph.increment_version(list(self.weights.values()))  # fused steps do not count
        self.optimizer.zero_grad(set_to_none=True)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ConfigError(
                f"training diverged at step {step}: the loss is {loss}, the norm of the gradient {norm}; "
                f"lower learning_rate (now {self.options.learning_rate})"
            )
        self.examples += len(passes) * len(batch.labels)
        return loss

    def _save(self, checkpoint: Path, step: int, fingerprint: str) -> None:
        position = Position(step=step, examples=self.examples, is_bfloat16=self.is_bfloat16)
        save_training(
            checkpoint, position, fingerprint=fingerprint, weights=self.weights, optimizer=self.optimizer
        )

    def _fingerprint(self) -> str:
        facts: dict[str, Any] = {
            "weights": self.supernet.sha256,
            "data": self.data.sha256,
            "space": self.space.sha256,
            "strategy": self.strategy.name,
            "steps": self.num_steps,
            "options": self.options.as_dict(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def accumulate(
    supernet: Supernet, passes: Iterable[Pass], batch: Batch, temperature: float, *, bfloat16: bool = False
) -> float:
    """Add the gradients of all passes to the full weights; the label loss of the first pass.

    The first pass teaches the others, on the items that are counted.
    """
    task = task_of(supernet.task)
    device = next(supernet.model.parameters()).device
    inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
    labels = batch.labels.to(device)
    teacher: torch.Tensor | None = None
    first = 0.0
    for one in passes:
        with supernet.active(one.config) as model:
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                outputs = task.forward(model, inputs)
            items = task.align(outputs, labels, inputs)
            loss = mean_loss(items)
            if teacher is None:
                teacher, first = items.predictions.detach(), loss.item()
            elif one.target == "labels+teacher":
                loss = loss + distillation_loss(items.predictions, teacher, temperature)
            torch.autograd.backward(loss)  # still active: gradient checkpointing runs the forward again
    return first


def _mix(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> np.uint64(1))
