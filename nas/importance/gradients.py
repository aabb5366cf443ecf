"""Importance from gradients of masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch

from nas.importance.activations import eval_mode
from nas.importance.base import CalibrationBatch, Importance, Scores, Subject


class FisherMask(Importance):
    """Diagonal of the empirical Fisher information of head and neuron masks: the sum over examples of
    `(dL/dm)**2` at masks of one.

    Source: Kwon et al. 2022 (arXiv 2204.09656), Sec. 4.1. The mask has an entry an example, so the score
    does not depend on the batch size; at a batch size of one it equals the source's.
    """

    name = "fisher_mask"
    axes = frozenset({"heads", "ffn"})
    needs_labels = True

    def score(self, subject: Subject, batches: Sequence[CalibrationBatch], *, seed: int = 0) -> Scores:
        """One pass and one gradient a batch."""
        del seed
        shape = subject.shape
        heads = [torch.zeros(full.num_attention_heads, dtype=torch.float64) for full in shape.layers]
        ffn = [torch.zeros(full.intermediate_size, dtype=torch.float64) for full in shape.layers]
        sums = {"heads": heads, "ffn": ffn}
        with eval_mode(subject.model):
            for batch in batches:
                for index, kind, gradient in _mask_gradients(subject, batch):
                    sums[kind][index] += gradient.double().square().sum(dim=0).cpu()
        return Scores(heads=[row.numpy() for row in heads], ffn=[row.numpy() for row in ffn])


def _mask_gradients(
    subject: Subject, batch: CalibrationBatch
) -> list[tuple[int, Literal["heads", "ffn"], torch.Tensor]]:
    """Gradients of each example's own loss by its masks, `(batch, heads)` or `(batch, ffn)`, by block."""
    weight = next(subject.model.parameters())
    device = weight.device
    assert batch.labels is not None, "fisher_mask needs labels"
    examples = next(iter(batch.inputs.values())).shape[0]
    masks: list[tuple[int, Literal["heads", "ffn"], torch.Tensor]] = []
    handles = []
    for index, full in enumerate(subject.shape.layers):
        units = {"heads": (full.num_attention_heads, full.head_dim), "ffn": (full.intermediate_size, 1)}
        own: dict[str, torch.Tensor] = {}  # a decoder's two attentions share the mask of their heads
        for module, kind in subject.outputs(index):
            count, width = units[kind]
            if kind not in own:
                own[kind] = torch.ones(examples, count, device=device, dtype=weight.dtype, requires_grad=True)
                masks.append((index, kind, own[kind]))
            handles.append(module.register_forward_pre_hook(_multiplier(own[kind], width)))
    try:
        with torch.enable_grad():
            outputs = subject.task.forward(subject.model, batch.inputs)
            labels = batch.labels.to(device)
            loss = subject.task.summed_loss(outputs, labels, batch.inputs)
            gradients = torch.autograd.grad(loss, [mask for _, _, mask in masks])
    finally:
        for handle in handles:
            handle.remove()
    return [(index, kind, gradient) for (index, kind, _), gradient in zip(masks, gradients, strict=True)]


def _multiplier(mask: torch.Tensor, width: int) -> Callable[..., tuple[torch.Tensor, ...]]:
    def multiply(_: object, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        factor = mask.repeat_interleave(width, dim=1).unsqueeze(1)
        return (args[0] * factor, *args[1:])

    return multiply
