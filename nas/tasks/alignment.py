"""From a model's raw output to predictions with a label each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from nas.data import IGNORED, LabelKind
from nas.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Aligned:
    """The counted items of a batch: one an example, or one a token whose label is not -100.

    Attributes:
        predictions: logits `(items, classes)`, or numbers `(items,)`.
        labels: `(items,)`.
        examples: position in the batch of each item's example, `(items,)`.
        num_examples: examples of the batch.
    """

    predictions: torch.Tensor
    labels: torch.Tensor
    examples: torch.Tensor
    num_examples: int


def aligned(
    kind: LabelKind, outputs: Any, labels: torch.Tensor, inputs: Mapping[str, torch.Tensor]
) -> Aligned:
    """Lay predictions and labels side by side, on the outputs' device.

    Args:
        kind: what a label is.
        outputs: what the model's forward returned.
        labels: `(batch,)`, or `(batch, sequence)` with -100 where nothing is counted.
        inputs: what the forward got; `similarity` pools by its `attention_mask`.

    Raises:
        ConfigError: the model has no head of that kind.
    """
    if kind == "similarity":
        return _one_an_example(_cosines(outputs, inputs), labels)
    logits = _logits(outputs, kind)
    if kind == "class":
        return _one_an_example(logits, labels)
    if kind == "number":
        return _one_an_example(_squeezed(logits), labels)
    if kind == "next-token":
        # Position t predicts token t + 1; the last one predicts nothing.
        _check_shapes(logits, labels)
        return _counted(logits[:, :-1], labels[:, 1:])
    _check_shapes(logits, labels)
    return _counted(logits, labels)


def mean_pooled(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Mean over the attended tokens of `(rows, sequence, hidden_size)`, at least float32."""
    weights = attention_mask.unsqueeze(-1).to(torch.promote_types(hidden.dtype, torch.float32))
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def _cosines(outputs: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Cosine of the two texts of each pair, whose rows follow one another: `(batch,)`."""
    hidden = getattr(outputs, "last_hidden_state", None)
    if hidden is None:
        raise ConfigError(
            "task feature-extraction needs a model without a head (AutoModel), whose output has "
            f"last_hidden_state; this one returned {type(outputs).__name__}"
        )
    pooled = mean_pooled(hidden, inputs["attention_mask"].to(hidden.device))
    return functional.cosine_similarity(pooled[0::2], pooled[1::2], dim=-1)


def _logits(outputs: Any, kind: LabelKind) -> torch.Tensor:
    logits = getattr(outputs, "logits", None)
    if not isinstance(logits, torch.Tensor):
        raise ConfigError(
            f"the model returned {type(outputs).__name__} without logits, so labels of kind {kind!r} cannot "
            "be compared with it; load it with a head for the task: Supernet.from_pretrained(..., task=...)"
        )
    return logits


def _squeezed(logits: torch.Tensor) -> torch.Tensor:
    if logits.ndim != 2 or logits.shape[-1] != 1:
        raise ConfigError(
            f"task regression needs one output an example; the model's have shape {tuple(logits.shape)}. "
            "Load it with num_labels=1."
        )
    return logits.squeeze(-1)


def _check_shapes(logits: torch.Tensor, labels: torch.Tensor) -> None:
    if logits.ndim != 3 or logits.shape[:2] != labels.shape:
        raise ConfigError(
            f"the model's logits have shape {tuple(logits.shape)}, the labels {tuple(labels.shape)}; a task "
            "with a label for each token needs logits (batch, sequence, classes) of the labels' length"
        )


def _one_an_example(predictions: torch.Tensor, labels: torch.Tensor) -> Aligned:
    examples = torch.arange(len(labels), device=predictions.device)
    return Aligned(predictions, labels.to(predictions.device), examples, len(labels))


def _counted(logits: torch.Tensor, labels: torch.Tensor) -> Aligned:
    labels = labels.to(logits.device)
    is_counted = labels != IGNORED
    rows = torch.arange(len(labels), device=labels.device).unsqueeze(1).expand_as(labels)
    return Aligned(logits[is_counted], labels[is_counted], rows[is_counted], len(labels))
