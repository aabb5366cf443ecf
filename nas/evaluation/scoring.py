"""From a model's outputs to what is known of each example, batch by batch: language models' are large."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from nas.data import Batch
from nas.evaluation.outcome import Outcome
from nas.metrics import metric
from nas.tasks import Aligned, Task, example_losses


def run(
    task: Task, model: Any, batches: Iterable[Batch], num_examples: int, *, metrics: Sequence[str] = ()
) -> Outcome:
    """Put all batches through a model; row i of the outcome is the example of index i.

    Args:
        task: what its head is for.
        model: as it should be evaluated; on its own device and in its own precision.
        batches: every example once.
        num_examples: in all batches.
        metrics: names; they decide whether predictions of tokens are kept.
    """
    is_per_example = task.labels in ("class", "number", "similarity")
    is_kept = is_per_example or any(metric(name).kind != "loss" for name in metrics)
    sums, counts = np.zeros(num_examples, np.float32), np.zeros(num_examples, np.int64)
    predictions: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    with torch.inference_mode():
        for batch in batches:
            items = task.align(task.forward(model, batch.inputs), batch.labels, batch.inputs)
            losses = example_losses(items)
            sums[batch.indices] = losses.sums.float().cpu().numpy()
            counts[batch.indices] = losses.counts.cpu().numpy()
            if is_kept:
                rows.append(batch.indices[items.examples.cpu().numpy()])
                predictions.append(_predictions(items, is_per_example=is_per_example))
                labels.append(items.labels.cpu().numpy())
    positions = np.argsort(np.concatenate(rows), kind="stable") if is_kept else None
    return Outcome(
        sums=sums,
        counts=counts,
        predictions=None if positions is None else np.concatenate(predictions)[positions],
        labels=None if positions is None else np.concatenate(labels)[positions],
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
