"""Quality on labelled data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch

from nas.compensation import Compensation, Recipe, recipe_of, weights_of
from nas.data import Batch, BatchedDataset, EncodedDataset
from nas.evaluation.evaluator import Evaluator, Quality
from nas.evaluation.precision import choose_precision
from nas.evaluation.scoring import run
from nas.evaluation.skeleton import Skeleton, assemble
from nas.supernet import Supernet
from nas.tasks import task_of
from search_spaces import SubnetConfig
from workers import EvaluatorFactory

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class DatasetEvaluator(Evaluator):
    """Scores a sub-network on labelled data; `loss` is always reported beside the metrics.

    Attributes:
        data: the examples, encoded.
        metrics: names from `nas.metrics`; the task's default metric unless given.
        batch_size: examples a forward.
        precision: `auto` takes bfloat16 where it is faster here and the full model's score agrees with
            float32 within its 95 % interval.
        compensation: what makes up for removed units and dropped blocks; None evaluates slices.
    """

    data: BatchedDataset
    metrics: tuple[str, ...] = ()
    batch_size: int = 64
    precision: Precision = "auto"
    compensation: Compensation | None = None
    recipe: Recipe | None = field(default=None, repr=False)

    @property
    def sha256(self) -> str:
        """See `Evaluator.sha256`."""
        return self.hashed(self.data.sha256, self.metrics, self.precision)

    @property
    def num_examples(self) -> int:
        """See `Evaluator.num_examples`."""
        return len(self.data)

    @property
    def weights_dtype(self) -> torch.dtype:
        """See `Evaluator.weights_dtype`."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    def prepare(self, supernet: Supernet, earlier: Mapping[str, Any] | None = None) -> DatasetEvaluator:
        """See `Evaluator.prepare`."""
        task = task_of(supernet.task)
        task.check(self.data, supernet.model.config)
        names = self.metrics or (task.metric,)
        for name in names:
            task.metric_of(name)
        precision = self.precision
        if precision == "auto" and earlier is not None:
            precision = earlier.get("precision", "float32")
        if precision == "auto":
            precision = choose_precision(supernet, self.data, self.batch_size, names[0])
        recipe = recipe_of(supernet, self.compensation)
        return replace(self, metrics=tuple(names), precision=precision, recipe=recipe)

    def factory(self, skeleton: Skeleton) -> EvaluatorFactory:
        """See `Evaluator.factory`."""
        return _DatasetFactory(self, skeleton)

    def describe(self) -> dict[str, Any]:
        """See `Evaluator.describe`."""
        return {**super().describe(), "data_sha256": self.data.sha256, "precision": self.precision}


@dataclass(frozen=True)
class _DatasetFactory:
    evaluator: DatasetEvaluator
    skeleton: Skeleton

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> _DatasetWorker:
        supernet = assemble(self.skeleton, arrays, dtype=self.evaluator.weights_dtype)
        if torch.cuda.is_available():  # Ray shows a worker only its own GPUs; not run on one here
            model: Any = supernet.model
            model.to("cuda")
        return _DatasetWorker(supernet, self.evaluator)


class _DatasetWorker:
    """Lives in one worker: the supernet, and the batches of tokens, made once."""

    def __init__(self, supernet: Supernet, evaluator: DatasetEvaluator) -> None:
        self._supernet = supernet
        self._evaluator = evaluator
        self._weights = weights_of(evaluator.recipe, supernet)
        is_small = isinstance(evaluator.data, EncodedDataset)  # images are normalised anew, not kept
        self._batches = list(self._made()) if is_small else None

    def __call__(self, payload: Mapping[str, Any]) -> Quality:
        start = time.monotonic()
        evaluator, task = self._evaluator, task_of(self._supernet.task)
        batches = self._made() if self._batches is None else self._batches
        config = SubnetConfig.from_json(payload)
        with self._supernet.active(config, self._weights(config)) as model:
            outcome = run(task, model, batches, len(evaluator.data), metrics=evaluator.metrics)
        outputs = outcome.predictions if task.labels in ("class", "number") else None
        return Quality(
            metrics=outcome.values(evaluator.metrics),
            examples=len(evaluator.data),
            seconds=time.monotonic() - start,
            logits=None if outputs is None else outputs.astype(np.float16),
            losses=outcome.losses,
        )

    def _made(self) -> Iterable[Batch]:
        return self._evaluator.data.batches(self._evaluator.batch_size, order="length")


def evaluate(
    supernet: Supernet,
    config: SubnetConfig,
    data: BatchedDataset,
    *,
    metrics: tuple[str, ...] = (),
    batch_size: int = 64,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, float]:
    """Metrics of a sub-network in the supernet's precision, the task's own unless named, and `loss`.

    `weights` take the place of slices; see `Supernet.active`.

    Raises:
        ConfigError: the data or a metric does not fit the supernet's task.
        EvaluationFailedError: an output is not finite (reason `nan`).
    """
    task = task_of(supernet.task)
    task.check(data, supernet.model.config)
    names = tuple(task.metric_of(name).name for name in metrics or (task.metric,))
    batches = data.batches(batch_size, order="length")
    with supernet.active(config, weights) as model:
        return run(task, model, batches, len(data), metrics=names).values(names)


def predict(
    supernet: Supernet, config: SubnetConfig, data: BatchedDataset, *, batch_size: int = 64
) -> np.ndarray:
    """Outputs of a sub-network in the supernet's precision, in the data's order.

    Returns:
        Logits or numbers, float32 `(examples, num_labels)`; cosines `(examples, 1)` of texts to compare; of
        tasks with a label a token nothing so large is kept: the most likely class of each counted token.
    """
    batches = data.batches(batch_size, order="length")
    with supernet.active(config) as model:
        task = task_of(supernet.task)
        outcome = run(task, model, batches, len(data), metrics=("accuracy",))
    assert outcome.predictions is not None, "accuracy needs predictions"
    return outcome.predictions
