"""Losses against their definitions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from nas.tasks import Aligned, distillation_loss, example_losses, mean_loss

TEMPERATURES = [0.5, 1.0, 10.0]


def _logits(seed: int, num_labels: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(5, num_labels, generator=generator, dtype=torch.float64)


def _items(predictions: torch.Tensor, labels: list[float], examples: list[int] | None = None) -> Aligned:
    of = torch.tensor(examples if examples is not None else range(len(labels)), dtype=torch.long)
    return Aligned(predictions, torch.tensor(labels), of, int(of.max()) + 1)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_distillation_from_an_equal_teacher_is_zero_with_zero_gradient(temperature: float) -> None:
    student = _logits(0).requires_grad_()
    loss = distillation_loss(student, student.detach(), temperature)
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-15  # rounding of p * sum(p) - p


@pytest.mark.parametrize("temperature", TEMPERATURES)
@given(seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_the_gradient_of_distillation_equals_that_of_soft_cross_entropy(
    temperature: float, seed: int
) -> None:
    teacher = _logits(seed + 1)
    gradients = []
    for is_soft in (False, True):
        student = _logits(seed).requires_grad_()
        if is_soft:
            soft = torch.softmax(teacher / temperature, dim=-1)
            loss = temperature**2 * functional.cross_entropy(student / temperature, soft)
        else:
            loss = distillation_loss(student, teacher, temperature)
        loss.backward()
        gradients.append(student.grad)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-13, rtol=1e-12)


def test_distillation_is_never_negative_and_grows_with_the_distance() -> None:
    student, teacher = _logits(0), _logits(1)
    near = distillation_loss(0.9 * teacher + 0.1 * student, teacher, 1.0)
    assert 0 < near < distillation_loss(student, teacher, 1.0)


def test_the_teacher_gets_no_gradient() -> None:
    teacher = _logits(1).requires_grad_()
    distillation_loss(_logits(0).requires_grad_(), teacher, 1.0).backward()
    assert teacher.grad is None


def test_distillation_of_numbers_is_the_squared_error() -> None:
    student, teacher = _logits(0)[:, 0], _logits(1)[:, 0]
    expected = (student - teacher).square().mean()
    torch.testing.assert_close(distillation_loss(student, teacher, 7.0), expected)


def test_classes_take_the_mean_cross_entropy() -> None:
    logits, labels = _logits(0), [0, 3, 2, 1, 1]
    expected = -torch.log_softmax(logits, dim=-1)[torch.arange(5), labels].mean()
    torch.testing.assert_close(mean_loss(_items(logits, labels)), expected)


def test_numbers_take_the_mean_squared_error() -> None:
    numbers, labels = _logits(0)[:, 0], [0.0, 1.0, -1.0, 2.0, 0.5]
    expected = (numbers - torch.tensor(labels)).square().mean()
    torch.testing.assert_close(mean_loss(_items(numbers, labels)), expected)


def test_losses_of_examples_add_up_to_the_mean_over_items() -> None:
    items = _items(_logits(0), [0, 3, 2, 1, 1], examples=[0, 0, 2, 2, 2])
    sums, counts = example_losses(items)
    assert counts.tolist() == [2, 0, 3]
    assert sums[1] == 0
    torch.testing.assert_close(sums.sum() / counts.sum(), mean_loss(items))


def test_a_batch_without_counted_items_has_no_loss() -> None:
    empty = torch.zeros(0, dtype=torch.long)
    items = Aligned(torch.zeros(0, 4), empty, empty, 2)
    assert mean_loss(items).item() == 0
    assert distillation_loss(items.predictions, items.predictions, 1.0).item() == 0
    assert example_losses(items).counts.tolist() == [0, 0]


def test_losses_of_bfloat16_logits_are_computed_in_float32() -> None:
    logits = _logits(0).bfloat16()
    assert mean_loss(_items(logits, [0, 0, 0, 0, 0])).dtype == torch.float32
    assert distillation_loss(logits, logits, 1.0).dtype == torch.float32
