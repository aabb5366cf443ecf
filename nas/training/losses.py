"""Losses of a pass."""

from __future__ import annotations

import torch
from torch.nn import functional


def label_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy of `(batch, num_labels)` logits; mean squared error for one output."""
    if logits.shape[-1] == 1 and labels.is_floating_point():
        logits = _precise(logits).squeeze(-1)
        return functional.mse_loss(logits, labels.to(logits.dtype))
    return functional.cross_entropy(_precise(logits), labels)


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Kullback-Leibler divergence to softened teacher logits, times the squared temperature.

    Its gradient equals that of the cross entropy with soft targets; it is 0 where both agree. One output
    (regression) takes the mean squared error. The teacher gets no gradient.

    Source: Hinton et al. 2015 (arXiv 1503.02531), Sec. 2.
    """
    student, teacher = _precise(student), _precise(teacher.detach())
    if student.shape[-1] == 1:
        return functional.mse_loss(student, teacher)
    log_student = functional.log_softmax(student / temperature, dim=-1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=-1)
    divergence = functional.kl_div(log_student, log_teacher, log_target=True, reduction="batchmean")
    return divergence * temperature**2


def _precise(logits: torch.Tensor) -> torch.Tensor:
    """At least float32: autocast leaves logits in bfloat16."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
