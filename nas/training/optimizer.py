"""What is trained, by which optimiser, at which learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from nas.errors import ConfigError
from nas.training.options import TrainOptions


def trainable_weights(model: nn.Module, frozen: tuple[str, ...]) -> dict[str, nn.Parameter]:
    """Weights by name, without those that a pattern of `frozen` occurs in.

    Raises:
        ConfigError: a pattern that no weight's name contains, or nothing left to train.
    """
    named = dict(model.named_parameters())
    for pattern in frozen:
        if not any(pattern in name for name in named):
            raise ConfigError(
                f"frozen: no weight's name contains {pattern!r}; names look like {next(iter(named))}"
            )
    kept = {n: p for n, p in named.items() if not any(pattern in n for pattern in frozen)}
    if not kept:
        raise ConfigError(f"frozen: {list(frozen)} leaves no weight to train")
    return kept


@contextmanager
def no_gradients(model: nn.Module, *, but: Iterable[nn.Parameter]) -> Iterator[None]:
    """Gradients off for all other weights for the length of the block."""
    trained = {id(weight) for weight in but}
    frozen = [p for p in model.parameters() if p.requires_grad and id(p) not in trained]
    try:
        for parameter in frozen:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def make_optimizer(weights: Iterable[nn.Parameter], options: TrainOptions) -> torch.optim.Optimizer:
    """AdamW without decay of biases and norms."""
    weights = list(weights)
    matrices = [weight for weight in weights if weight.ndim > 1]
    vectors = [weight for weight in weights if weight.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)


def schedule(step: int, num_steps: int, warmup: float) -> float:
    """Linear up, then linear down to 0."""
    rising = max(1, round(warmup * num_steps))
    if step < rising:
        return (step + 1) / rising
    return (num_steps - step) / max(1, num_steps - rising)
