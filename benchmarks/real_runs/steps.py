"""Steps on the way to a supernet, and the score of a finished model by transformers alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import nas
from benchmarks.real_runs.run import Step
from nas.data import BatchedDataset


def training(
    data: BatchedDataset,
    strategy: str,
    passes: int,
    options: nas.TrainOptions,
    *,
    choices: Mapping[str, Any] | None = None,
) -> Step:
    """Train the full model (`standard`) or sub-networks of the uniform space; resumes from its checkpoint."""

    def train(supernet: nas.Supernet, checkpoint: Path) -> None:
        nas.train_supernet(
            supernet,
            data,
            strategy=strategy,
            budget=nas.Budget(passes=passes),
            space=supernet.space("uniform", choices=choices),
            options=options,
            checkpoint=checkpoint,
            show_progress_bar=True,
        )

    return train


def ranking(
    data: BatchedDataset, examples: int, *, importance: str = "default", batch_size: int = 32
) -> Step:
    """Sort units by importance on some of the training data."""

    def rank(supernet: nas.Supernet, _: Path) -> None:
        supernet.rank(importance, data.calibration(examples, batch_size=batch_size))

    return rank


def accuracy(model: Any, auto_class: Any, data: BatchedDataset) -> float:
    """Accuracy of a model, or of an exported folder that `auto_class` loads."""
    if isinstance(model, Path):
        model = auto_class.from_pretrained(model, trust_remote_code=True)
    model.train(mode=False)
    right = 0
    with torch.inference_mode():
        for batch in data.batches(64, order="length"):
            logits = model(**batch.inputs).logits
            right += int((logits.argmax(-1) == batch.labels).sum())
    return right / len(data)
