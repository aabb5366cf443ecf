"""Modes of torch and of the model that hold for one training run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from nas.errors import ConfigError


@contextmanager
def deterministic(*, enabled: bool) -> Iterator[None]:
    """Only operations that give the same bits every time, restored at the end.

    On a GPU cuBLAS must be told before its first use; the variable stays set.
    """
    if not enabled:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    try:
        torch.use_deterministic_algorithms(mode=True)
        torch.backends.cudnn.benchmark = False
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warns)
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def gradient_checkpointing(model: Any, *, enabled: bool) -> Iterator[None]:
    """Transformers' own checkpointing of activations, restored at the end.

    Raises:
        ConfigError: the architecture has none.
    """
    if not enabled or model.is_activation_checkpointing:
        yield
        return
    if not model.supports_gradient_checkpointing:
        raise ConfigError(
            f"gradient_checkpointing: {type(model).__name__} has none in transformers; switch it off"
        )
    model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        model.activation_checkpointing_disable()
