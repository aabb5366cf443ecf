"""From a model's outputs to metrics, batch by batch, so that outputs of language models are never kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nas.data import Batch
from nas.errors import EvaluationFailedError
from nas.metrics import compute, loss_value, metric
from nas.tasks import Aligned, Task, example_losses


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What evaluating a model leaves.

    Attributes:
        sums: sum of the losses of each example's counted items, float64 `(examples,)`.
        counts: how many those are, `(examples,)`.
        predictions: logits or numbers, float32 `(examples, classes)`, in the data's order; of tasks with a
            label a token, the most likely class of each counted token, `(items,)`; None where no metric
            needs them.
        labels: what the predictions are compared with.
    """

    sums: np.ndarray
    counts: np.ndarray
    predictions: np.ndarray | None
    labels: np.ndarray | None

    @property
    def losses(self) -> np.ndarray:
        """Mean loss of each example, float32 `(examples,)`; 0 where nothing is counted."""
        means: np.ndarray = self.sums / np.maximum(self.counts, 1)
        return means.astype(np.float32)

    def values(self, names: Sequence[str]) -> dict[str, float]:
        """Metrics by name, and always `loss`.

        Raises:
            EvaluationFailedError: an output or a value is not finite (reason `nan`).
        """
        values = {name: self._value(name) for name in names}
        return values if "loss" in values else {**values, "loss": self._value("loss")}

    def _value(self, name: str) -> float:
        if metric(name).kind == "loss":
            return loss_value(name, self.sums, self.counts)
        if self.predictions is None or self.labels is None:
            raise EvaluationFailedError(f"{name} needs predictions, which were not kept", "bug")
        return compute(name, self.predictions, self.labels)


def run(
    task: Task, model: Any, batches: Iterable[Batch], num_examples: int, *, metrics: Sequence[str] = ()
) -> Outcome:
    """Put all batches through a model.

    Args:
        task: what its head is for.
        model: as it should be evaluated; on its own device and in its own precision.
        batches: every example once.
        num_examples: in all batches.
        metrics: names; they decide whether predictions of tokens are kept.
    """
    is_per_example = task.labels in ("class", "number", "similarity")
    is_kept = is_per_example or any(metric(name).kind != "loss" for name in metrics)
    sums, counts = np.zeros(num_examples), np.zeros(num_examples, np.int64)
    predictions: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    order: list[np.ndarray] = []
    with torch.inference_mode():
        for batch in batches:
            items = task.align(task.forward(model, batch.inputs), batch.labels, batch.inputs)
            losses = example_losses(items)
            sums[batch.indices] = losses.sums.double().cpu().numpy()
            counts[batch.indices] = losses.counts.cpu().numpy()
            order.append(batch.indices)
            if is_kept:
                predictions.append(_predictions(items, is_per_example=is_per_example))
                labels.append(items.labels.cpu().numpy())
    positions = np.argsort(np.concatenate(order)) if is_per_example else slice(None)
    return Outcome(
        sums=sums,
        counts=counts,
        predictions=np.concatenate(predictions)[positions] if is_kept else None,
        labels=np.concatenate(labels)[positions] if is_kept else None,
    )


def _predictions(items: Aligned, *, is_per_example: bool) -> np.ndarray:
    predictions = items.predictions
    if not is_per_example:
        classes: np.ndarray = predictions.argmax(dim=-1).to(torch.int32).cpu().numpy()
        return classes
    if predictions.ndim == 1:
        predictions = predictions.unsqueeze(-1)
    outputs: np.ndarray = predictions.float().cpu().numpy()
    return outputs
