"""Gradients of a batch's loss by weights, and by masks of heads and neurons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch

from nas.importance.base import CalibrationBatch, Subject
from nas.importance.hooks import by_rows, num_rows

Kind = Literal["heads", "ffn"]


class MaskGradient(NamedTuple):
    """Gradients of each row's own loss by the mask of one block's heads or neurons at ones.

    Attributes:
        layer: index of the block.
        kind: what is masked.
        values: `(rows, num_attention_heads)` or `(rows, intermediate_size)`, on the model's device.
    """

    layer: int
    kind: Kind
    values: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Gradients:
    """Gradients of the summed loss of a batch.

    Attributes:
        masks: by masks; none where no method takes them.
        weights: by weights, by name; those that the loss does not depend on are missing.
        num_items: items that the loss is summed over.
    """

    masks: Sequence[MaskGradient]
    weights: Mapping[str, torch.Tensor]
    num_items: int


def loss_gradients(
    subject: Subject, batch: CalibrationBatch, *, has_masks: bool, weights: frozenset[str]
) -> Gradients:
    """One forward and one gradient of the task's loss, summed over the counted items of a batch.

    Args:
        subject: the full model, in evaluation mode.
        batch: with labels.
        has_masks: whether to take gradients by masks.
        weights: names of the weights to take gradients by.
    """
    assert batch.labels is not None, "gradients need labels"
    named = {name: weight for name, weight in subject.model.named_parameters() if name in weights}
    with _masked(subject, batch, has_masks=has_masks) as masks, _differentiable(list(named.values())):
        outputs = subject.task.forward(subject.model, batch.inputs)
        labels = batch.labels.to(next(subject.model.parameters()).device)
        losses = subject.task.example_losses(outputs, labels, batch.inputs)
        wanted = [*(mask.values for mask in masks), *named.values()]
        found = torch.autograd.grad(losses.sums.sum(), wanted, allow_unused=True)
    by_mask = [
        MaskGradient(mask.layer, mask.kind, torch.zeros_like(mask.values) if gradient is None else gradient)
        for mask, gradient in zip(masks, found, strict=False)
    ]
    by_weight = zip(named, found[len(masks) :], strict=True)
    return Gradients(
        masks=by_mask,
        weights={name: gradient for name, gradient in by_weight if gradient is not None},
        num_items=int(losses.counts.sum()),
    )


@contextmanager
def _masked(subject: Subject, batch: CalibrationBatch, *, has_masks: bool) -> Iterator[list[MaskGradient]]:
    """Masks of ones on all heads and neurons, one for each row, for the length of the block."""
    handles, masks = [], []
    weight = next(subject.model.parameters())
    for index, full in enumerate(subject.shape.layers if has_masks else ()):
        units = {"heads": (full.num_attention_heads, full.head_dim), "ffn": (full.intermediate_size, 1)}
        own: dict[str, torch.Tensor] = {}  # a decoder's two attentions share the mask of their heads
        for module, kind in subject.outputs(index):
            count, width = units[kind]
            if kind not in own:
                ones = torch.ones(num_rows(batch), count, device=weight.device, dtype=weight.dtype)
                own[kind] = ones.requires_grad_()
                masks.append(MaskGradient(index, kind, own[kind]))
            handles.append(module.register_forward_pre_hook(_multiplier(own[kind], width)))
    try:
        yield masks
    finally:
        for handle in handles:
            handle.remove()


def _multiplier(mask: torch.Tensor, width: int) -> Callable[..., tuple[torch.Tensor, ...]]:
    def multiply(_: object, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        factor = mask.repeat_interleave(width, dim=1).unsqueeze(1)
        masked = by_rows(args[0], len(mask)) * factor
        return (masked.view(args[0].shape), *args[1:])

    return multiply


@contextmanager
def _differentiable(weights: Sequence[torch.Tensor]) -> Iterator[None]:
    """Gradients on, frozen weights included, for the length of the block."""
    frozen = [weight for weight in weights if not weight.requires_grad]
    for weight in frozen:
        weight.requires_grad_()
    try:
        with torch.enable_grad():
            yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)
