"""Losses of a pass."""

from __future__ import annotations

import torch
from torch.nn import functional


def label_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy of `(batch, num_labels)` logits; mean squared error for one output."""
    if logits.shape[-1] == 1 and labels.is_floating_point():
        return functional.mse_loss(logits.float().squeeze(-1), labels.float())
    return functional.cross_entropy(logits.float(), labels)


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Kullback-Leibler divergence to softened teacher logits, times the squared temperature.

    Its gradient equals that of the cross entropy with soft targets; it is 0 where both agree. One output
    (regression) takes the mean squared error. The teacher gets no gradient.

    Source: Hinton et al. 2015 (arXiv 1503.02531), Sec. 2.
    """
    teacher = teacher.detach().float()
    if student.shape[-1] == 1:
        return functional.mse_loss(student.float(), teacher)
    log_student = functional.log_softmax(student.float() / temperature, dim=-1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=-1)
    divergence = functional.kl_div(log_student, log_teacher, log_target=True, reduction="batchmean")
    return divergence * temperature**2
