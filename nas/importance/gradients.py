"""Importance from gradients of masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nas.importance.activations import _eval_mode
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
        del seed
        shape = subject.shape
        depth, first = shape.num_hidden_layers, shape.layers[0]
        heads = torch.zeros(depth, first.num_attention_heads, dtype=torch.float64)
        ffn = torch.zeros(depth, first.intermediate_size, dtype=torch.float64)
        with _eval_mode(subject.model):
            for batch in batches:
                head_masks, ffn_masks = _mask_gradients(subject, batch)
                for index in range(depth):
                    heads[index] += head_masks[index].double().square().sum(dim=0).cpu()
                    ffn[index] += ffn_masks[index].double().square().sum(dim=0).cpu()
        return Scores(heads=heads.numpy(), ffn=ffn.numpy())


def _mask_gradients(
    subject: Subject, batch: CalibrationBatch
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Gradients of each example's own loss by its masks: heads `(batch, heads)`, neurons `(batch, ffn)`."""
    device = next(subject.model.parameters()).device
    inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
    assert batch.labels is not None, "fisher_mask needs labels"
    size = batch.labels.shape[0]
    masks: list[torch.Tensor] = []
    handles = []
    for index, block in enumerate(subject.blocks):
        full = subject.shape.layers[index]
        units = {
            subject.family.attention_output: (full.num_attention_heads, full.head_dim),
            subject.family.ffn_output: (full.intermediate_size, 1),
        }
        for path, (count, width) in units.items():
            mask = torch.ones(size, count, device=device, requires_grad=True)
            masks.append(mask)
            hook = _multiplier(mask, width)
            handles.append(block.get_submodule(path).register_forward_pre_hook(hook))
    try:
        with torch.enable_grad():
            loss = subject.model(**inputs, labels=batch.labels.to(device)).loss
            gradients = torch.autograd.grad(loss * size, masks)
    finally:
        for handle in handles:
            handle.remove()
    return list(gradients[0::2]), list(gradients[1::2])


def _multiplier(mask: torch.Tensor, width: int):  # type: ignore[no-untyped-def]  # torch's hook signature
    def multiply(_: object, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        factor = mask.repeat_interleave(width, dim=1).unsqueeze(1)
        return (args[0] * factor, *args[1:])

    return multiply
