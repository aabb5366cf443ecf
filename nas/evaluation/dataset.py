"""Quality on labelled data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch

from nas.compensation import Compensation, Recipe, recipe_of, weights_of
from nas.data import Batch, BatchedDataset, EncodedDataset
from nas.errors import ConfigError, EvaluationFailedError
from nas.evaluation.batching import BatchSize, examples_of, planned_batches
from nas.evaluation.evaluator import Evaluator, Quality
from nas.evaluation.example_order import stratified_order
from nas.evaluation.outcome import Outcome
from nas.evaluation.precision import choose_precision
from nas.evaluation.scoring import run
from nas.evaluation.skeleton import Skeleton, assemble
from nas.supernet import Supernet
from nas.tasks import task_of
from search_spaces import SubnetConfig
from workers import EvaluatorFactory

Precision = Literal["auto", "float32", "bfloat16"]
#: Parts whose batches a worker keeps; a staged search asks for the same few again and again.
_KEPT_PARTS: Final = 32
#: Sub-networks whose compensated weights a worker keeps: the next stage of one often follows at once.
_KEPT_WEIGHTS: Final = 4


@dataclass(frozen=True, kw_only=True)
class DatasetEvaluator(Evaluator):
    """Scores a sub-network on labelled data; `loss` is always reported beside the metrics.

    Attributes:
        data: the examples, encoded.
        metrics: names from `nas.metrics`; the task's default metric unless given.
        batch_size: examples a forward pass; `auto` cuts texts for little padding and bounded memory, see
            `nas.evaluation.batching`.
        precision: `auto` takes bfloat16 where it is faster here and the full model's score agrees with
            float32 within its 95 % interval.
        compensation: what makes up for removed units and dropped blocks; None evaluates slices.
    """

    data: BatchedDataset
    metrics: tuple[str, ...] = ()
    batch_size: BatchSize = "auto"
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
            precision = choose_precision(
                supernet, self.data, examples_of(self.batch_size, self.data, supernet.model), names[0]
            )
        recipe = recipe_of(supernet, self.compensation)
        return replace(self, metrics=tuple(names), precision=precision, recipe=recipe)

    @property
    def is_staged(self) -> bool:
        """See `Evaluator.is_staged`."""
        return True

    @cached_property
    def order(self) -> npt.NDArray[np.int64]:
        """See `Evaluator.order`: every prefix has each class in proportion."""
        return stratified_order(self.data)

    def merged(self, parts: Sequence[Quality]) -> Quality:
        """See `Evaluator.merged`."""
        outcomes = [part.outcome for part in parts if part.outcome is not None]
        if not parts or len(outcomes) < len(parts):
            raise ConfigError(
                f"{len(parts)} parts were given to be merged, {len(outcomes)} of them with an outcome; "
                "give at least one, each as the worker returned it"
            )
        outcome = Outcome.merged(outcomes)
        return Quality(
            metrics=outcome.values(self.metrics),
            examples=sum(part.examples for part in parts),
            seconds=sum(part.seconds for part in parts),
            outcome=outcome,
        )

    def factory(self, skeleton: Skeleton) -> EvaluatorFactory:
        """See `Evaluator.factory`."""
        assert len(self.order) == len(self.data), "settled here, so that workers need not"
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
    """Lives in one worker: the supernet, and the batches of each part that was asked for, made once."""

    def __init__(self, supernet: Supernet, evaluator: DatasetEvaluator) -> None:
        self._supernet = supernet
        self._evaluator = evaluator
        self._weights = lru_cache(maxsize=_KEPT_WEIGHTS)(weights_of(evaluator.recipe, supernet))
        self._is_small = isinstance(evaluator.data, EncodedDataset)  # images are normalised anew, not kept
        self._kept: dict[range, list[Batch]] = {}

    def __call__(self, payload: Mapping[str, Any]) -> Quality:
        start = time.monotonic()
        evaluator, task = self._evaluator, task_of(self._supernet.task)
        config = SubnetConfig.from_json(payload)
        part = _part(payload, len(evaluator.data))
        with self._supernet.active(config, self._weights(config)) as model:
            outcome = run(task, model, self._batches(part), len(part), metrics=evaluator.metrics)
        return Quality(
            metrics=outcome.values(evaluator.metrics),
            examples=len(part),
            seconds=time.monotonic() - start,
            outcome=outcome,
        )

    def _batches(self, part: range) -> Iterable[Batch]:
        if not self._is_small:
            return self._made(part)
        if part not in self._kept:
            if len(self._kept) >= _KEPT_PARTS:
                self._kept.clear()
            self._kept[part] = list(self._made(part))
        return self._kept[part]

    def _made(self, part: range) -> Iterator[Batch]:
        evaluator = self._evaluator
        positions = evaluator.order[part.start : part.stop]
        return planned_batches(evaluator.data, positions, evaluator.batch_size, self._supernet.model)


def _part(payload: Mapping[str, Any], num_examples: int) -> range:
    """The positions in the evaluator's order that a payload asks for."""
    start, stop = payload.get("examples", (0, num_examples))
    if not 0 <= start < stop <= num_examples:
        raise EvaluationFailedError(
            f"examples [{start}, {stop}] were asked for; allowed are 0 <= start < stop <= {num_examples}",
            "bug",
        )
    return range(start, stop)


def evaluate(
    supernet: Supernet,
    config: SubnetConfig,
    data: BatchedDataset,
    *,
    metrics: tuple[str, ...] = (),
    batch_size: BatchSize = "auto",
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
    batches = planned_batches(data, np.arange(len(data)), batch_size, supernet.model)
    with supernet.active(config, weights) as model:
        return run(task, model, batches, len(data), metrics=names).values(names)


def predict(
    supernet: Supernet, config: SubnetConfig, data: BatchedDataset, *, batch_size: BatchSize = "auto"
) -> np.ndarray:
    """Outputs of a sub-network in the supernet's precision, in the data's order.

    Returns:
        Logits or numbers, float32 `(examples, num_labels)`; cosines `(examples, 1)` of texts to compare; of
        tasks with a label a token nothing so large is kept: the most likely class of each counted token.
    """
    batches = planned_batches(data, np.arange(len(data)), batch_size, supernet.model)
    with supernet.active(config) as model:
        task = task_of(supernet.task)
        outcome = run(task, model, batches, len(data), metrics=("accuracy",))
    assert outcome.predictions is not None, "accuracy needs predictions"
    return outcome.predictions
