"""Losses of aligned items; at least float32 whatever precision the model ran in."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from nas.tasks.alignment import Aligned


class ExampleLosses(NamedTuple):
    """Losses of a batch by example, so that they can be added up over batches.

    Attributes:
        sums: sum over the example's counted items, `(batch,)`.
        counts: how many those are, int64 `(batch,)`.
    """

    sums: torch.Tensor
    counts: torch.Tensor


def item_losses(items: Aligned) -> torch.Tensor:
    """Cross entropy of logits, squared error of numbers: `(items,)`."""
    predictions = _precise(items.predictions)
    if predictions.ndim == 1:
        return functional.mse_loss(predictions, items.labels.to(predictions.dtype), reduction="none")
    return functional.cross_entropy(predictions, items.labels, reduction="none")


def example_losses(items: Aligned) -> ExampleLosses:
    """Sum and number of the losses of each example."""
    losses = item_losses(items)
    sums = losses.new_zeros(items.num_examples).index_add(0, items.examples, losses)
    return ExampleLosses(sums, torch.bincount(items.examples, minlength=items.num_examples))


def mean_loss(items: Aligned) -> torch.Tensor:
    """Mean over all items, which training minimises; 0 where there are none."""
    return item_losses(items).sum() / max(1, len(items.labels))


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Kullback-Leibler divergence to softened teacher logits times the squared temperature.

    A mean over items. Its gradient equals that of the cross entropy with soft targets; it is 0 where both
    agree. Numbers `(items,)` take the mean squared error. The teacher gets no gradient.

    Source: Hinton et al. 2015 (arXiv 1503.02531), Sec. 2.
    """
    student, teacher = _precise(student), _precise(teacher.detach())
    items = max(1, len(student))
    if student.ndim == 1:
        return functional.mse_loss(student, teacher, reduction="sum") / items
    log_student = functional.log_softmax(student / temperature, dim=-1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=-1)
    divergence = functional.kl_div(log_student, log_teacher, log_target=True, reduction="sum")
    return divergence * temperature**2 / items


def _precise(values: torch.Tensor) -> torch.Tensor:
    """At least float32: autocast leaves logits in bfloat16."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
