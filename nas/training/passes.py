"""The forward/backward passes of one optimiser step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from nas.data import IGNORED, Batch, LabelKind
from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.tasks import mean_loss, task_of
from nas.training.distillation import Distillation, Outputs, taught_loss
from nas.training.ranks import ALONE, Ranks
from nas.training.strategy import Pass
from nas.training.teacher import Teacher, recorded


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCost:
    """What the passes of a step came to.

    Attributes:
        loss: label loss of the first pass, a mean over the items of its mini-batch.
        passes: forward/backward passes.
        examples: examples seen, once a pass.
        teacher_passes: forward passes of a frozen teacher.
    """

    loss: float
    passes: int
    examples: int
    teacher_passes: int


class PassRunner:
    """Adds up the gradients of passes; looks up once what they have in common.

    Losses of a step's passes are summed, not averaged. A mini-batch may come in several batches, whose
    losses are then weighted by their items, as if they were one.
    """

    def __init__(
        self,
        supernet: Supernet,
        *,
        distillation: Distillation | None = None,
        teacher: Teacher | None = None,
        bfloat16: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        self.supernet, self.teacher, self.ranks, self.bfloat16 = supernet, teacher, ranks, bfloat16
        self.distillation = distillation or Distillation()
        self._task = task_of(supernet.task)
        self._device = next(supernet.model.parameters()).device
        self._blocks = supernet.family.layers_of(supernet.model)
        self._passes = self._examples = self._teacher_passes = 0

    def run(self, passes: Sequence[Pass], mini_batches: Sequence[Sequence[Batch]]) -> StepCost:
        """Add the gradients of a step's passes to the weights.

        Args:
            passes: by mini-batch; the first of a mini-batch teaches the others that ask for it.
            mini_batches: the batches of each.

        Raises:
            ConfigError: a pass asks for a teacher that there is not.
        """
        self._passes = self._examples = self._teacher_passes = 0
        first = 0.0
        for number, batches in enumerate(mini_batches):
            chosen = [one for one in passes if one.batch == number]
            shares = self._shares(batches)
            for batch, share in zip(batches, shares, strict=True):
                loss = self._taught(chosen, batch, share)
                first += loss * share if number == 0 else 0.0
        loss, examples = self.ranks.sum(first, float(self._examples))
        return StepCost(
            loss=loss,
            passes=self._passes,
            examples=round(examples),
            teacher_passes=self._teacher_passes,
        )

    def _shares(self, batches: Sequence[Batch]) -> list[float]:
        """Items of each batch over those of the mini-batch, on all ranks together."""
        if len(batches) == 1 and self.ranks.size == 1:
            return [1.0]
        items = [num_items(self._task.labels, batch.labels) for batch in batches]
        total = max(1.0, self.ranks.sum(float(sum(items)))[0])
        return [count / total for count in items]

    def _taught(self, passes: Sequence[Pass], batch: Batch, share: float) -> float:
        """The passes over one batch; the label loss of the first."""
        self._passes += len(passes)
        self._examples += len(passes) * len(batch.labels)
        self._teacher_passes += self.teacher is not None
        if not len(batch.labels):  # a rank whose share of a small batch is empty
            return 0.0
        inputs = {name: tensor.to(self._device) for name, tensor in batch.inputs.items()}
        labels = batch.labels.to(self._device)
        masks = self._masks(inputs, labels)
        lesson = None if self.teacher is None else self._ask(self.teacher, inputs, labels)
        first: float | None = None
        for one in passes:
            is_taught = self.teacher is not None or one.target == "labels+teacher"
            if is_taught and lesson is None:
                raise ConfigError(
                    "a pass shall learn from a teacher, but none came before it; give train_supernet a "
                    "teacher, or choose a strategy whose steps start with the full network"
                )
            with self.supernet.active(one.config) as model:
                own = self._forward(model, self._blocks, inputs, labels)
                if lesson is not None and is_taught:
                    loss = taught_loss(own, lesson, one.config, masks, self.distillation)
                else:
                    loss = mean_loss(own.items)
                # Still active: gradient checkpointing runs the forward again.
                torch.autograd.backward(loss if share == 1.0 else loss * share)
            if first is None:
                first = (mean_loss(own.items) if is_taught else loss).item()
            if lesson is None and one.config == self.supernet.full:
                lesson = _detached(own)
        return first or 0.0

    def _ask(self, teacher: Teacher, inputs: dict[str, torch.Tensor], labels: torch.Tensor) -> Outputs:
        with torch.no_grad():
            blocks = teacher.blocks if self.distillation.hidden else ()
            return self._forward(teacher.model, blocks, inputs, labels)

    def _forward(
        self, model: Any, blocks: Sequence[Any], inputs: dict[str, torch.Tensor], labels: torch.Tensor
    ) -> Outputs:
        autocast = torch.autocast(self._device.type, torch.bfloat16, enabled=self.bfloat16)
        with autocast, recorded(blocks, enabled=self.distillation.hidden > 0) as hidden:
            outputs = self._task.forward(model, inputs)
        return Outputs(items=self._task.align(outputs, labels, inputs), hidden=hidden)

    def _masks(self, inputs: dict[str, torch.Tensor], labels: torch.Tensor) -> dict[int, torch.Tensor]:
        """Real tokens by block: an encoder's from the attention mask, a decoder's from the target."""
        shape = self.supernet.shape
        source = inputs.get("attention_mask")
        target = labels.ne(IGNORED) if labels.ndim == 2 else None
        masks = {}
        for index in range(shape.num_hidden_layers):
            mask = target if 0 < shape.num_encoder_layers <= index else source
            if mask is not None:
                masks[index] = mask
        return masks


def num_items(kind: LabelKind, labels: torch.Tensor) -> int:
    """Counted items of a batch, as `nas.tasks.aligned` finds them."""
    if labels.ndim == 1:
        return len(labels)
    counted = labels[:, 1:] if kind == "next-token" else labels
    return int(counted.ne(IGNORED).sum())


def _detached(outputs: Outputs) -> Outputs:
    hidden = {index: states.detach() for index, states in outputs.hidden.items()}
    items = replace(outputs.items, predictions=outputs.items.predictions.detach())
    return Outputs(items=items, hidden=hidden)
