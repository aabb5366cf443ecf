"""Importance from gradients of masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

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
        depth, first = shape.num_hidden_layers, shape.layers[0]
        heads = torch.zeros(depth, first.num_attention_heads, dtype=torch.float64)
        ffn = torch.zeros(depth, first.intermediate_size, dtype=torch.float64)
        with eval_mode(subject.model):
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
    weight = next(subject.model.parameters())
    device = weight.device
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
            mask = torch.ones(size, count, device=device, dtype=weight.dtype, requires_grad=True)
            masks.append(mask)
            hook = _multiplier(mask, width)
            handles.append(block.get_submodule(path).register_forward_pre_hook(hook))
    try:
        with torch.enable_grad():
            logits = subject.model(**inputs).logits
            gradients = torch.autograd.grad(_summed_loss(logits, batch.labels.to(device)), masks)
    finally:
        for handle in handles:
            handle.remove()
    return list(gradients[0::2]), list(gradients[1::2])


def _summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum over examples of the loss that training takes the mean of."""
    if logits.shape[-1] == 1 and labels.is_floating_point():
        return functional.mse_loss(logits.squeeze(-1), labels.to(logits.dtype), reduction="sum")
    return functional.cross_entropy(logits, labels, reduction="sum")


def _multiplier(mask: torch.Tensor, width: int) -> Callable[..., tuple[torch.Tensor, ...]]:
    def multiply(_: object, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        factor = mask.repeat_interleave(width, dim=1).unsqueeze(1)
        return (args[0] * factor, *args[1:])

    return multiply
