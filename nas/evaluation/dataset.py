"""Quality on labelled data."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import torch
from torch.nn import functional

from nas.data import Batch, EncodedDataset
from nas.errors import ConfigError, EvaluationFailedError
from nas.evaluation.evaluator import Evaluator, Quality
from nas.evaluation.skeleton import Skeleton, assemble
from nas.metrics import default_metric, metric, metric_values
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from workers import EvaluatorFactory

Precision = Literal["auto", "float32", "bfloat16"]
_TRIAL_EXAMPLES: Final = 512


@dataclass(frozen=True, kw_only=True)
class DatasetEvaluator(Evaluator):
    """Scores a sub-network on labelled data; `loss` is always reported beside the metrics.

    Attributes:
        data: the examples, encoded.
        metrics: names from `nas.metrics`; the task's default metric unless given.
        batch_size: examples a forward.
        precision: `auto` takes bfloat16 where it is faster here and the full model's score agrees with
            float32 within its 95 % interval.
    """

    data: EncodedDataset
    metrics: tuple[str, ...] = ()
    batch_size: int = 64
    precision: Precision = "auto"

    @property
    def sha256(self) -> str:
        """See `Evaluator.sha256`."""
        record = [self.data.sha256, self.metrics, self.precision]
        return hashlib.sha256(json.dumps(record).encode()).hexdigest()

    @property
    def num_examples(self) -> int:
        """See `Evaluator.num_examples`."""
        return len(self.data)

    def prepare(self, supernet: Supernet, earlier: Mapping[str, Any] | None = None) -> DatasetEvaluator:
        """See `Evaluator.prepare`."""
        self.data.check_labels(_num_labels(supernet))
        names = self.metrics or (default_metric(supernet.task).name,)
        for name in names:
            metric(name)
        precision = self.precision
        if precision == "auto" and earlier is not None:
            precision = earlier.get("precision", "float32")
        if precision == "auto":
            precision = choose_precision(supernet, self.data, self.batch_size, names[0])
        return replace(self, metrics=tuple(names), precision=precision)

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
        dtype = torch.bfloat16 if self.evaluator.precision == "bfloat16" else torch.float32
        supernet = assemble(self.skeleton, arrays, dtype=dtype)
        if torch.cuda.is_available():  # Ray shows a worker only its own GPUs; not run on one here
            model: Any = supernet.model
            model.to("cuda")
        return _DatasetWorker(supernet, self.evaluator)


class _DatasetWorker:
    """Lives in one worker: the supernet and the batches, made once."""

    def __init__(self, supernet: Supernet, evaluator: DatasetEvaluator) -> None:
        self._supernet = supernet
        self._evaluator = evaluator
        self._batches = list(evaluator.data.batches(evaluator.batch_size, order="length"))

    def __call__(self, payload: Mapping[str, Any]) -> Quality:
        start = time.monotonic()
        config = SubnetConfig.from_json(payload)
        logits = _forward(self._supernet, config, self._batches, len(self._evaluator.data))
        metrics = score_logits(self._evaluator.metrics, logits, self._evaluator.data.labels)
        return Quality(
            metrics=metrics,
            examples=len(logits),
            seconds=time.monotonic() - start,
            logits=logits.astype(np.float16),
        )


def predict(
    supernet: Supernet, config: SubnetConfig, data: EncodedDataset, *, batch_size: int = 64
) -> np.ndarray:
    """Outputs of a sub-network in the supernet's precision, `(examples, num_labels)` in the data's order."""
    return _forward(supernet, config, list(data.batches(batch_size, order="length")), len(data))


def _forward(supernet: Supernet, config: SubnetConfig, batches: Sequence[Batch], examples: int) -> np.ndarray:
    logits = np.empty((examples, _num_labels(supernet)), np.float32)
    device = next(supernet.model.parameters()).device
    with supernet.active(config) as model, torch.inference_mode():
        for batch in batches:
            inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
            logits[batch.indices] = model(**inputs).logits.float().cpu().numpy()
    return logits


def score_logits(names: Sequence[str], logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Metrics and mean loss of outputs `(examples, num_labels)`.

    Raises:
        EvaluationFailedError: an output is not finite (reason `nan`).
    """
    values = metric_values(names, logits, labels)
    outputs, truth = torch.from_numpy(logits), torch.from_numpy(np.array(labels))
    if logits.shape[1] == 1 and truth.is_floating_point():
        loss = functional.mse_loss(outputs.squeeze(-1), truth.float())
    else:
        loss = functional.cross_entropy(outputs, truth)
    if not math.isfinite(loss.item()):
        raise EvaluationFailedError(f"the loss is {loss.item()}", "nan")
    return {**values, "loss": loss.item()}


def choose_precision(
    supernet: Supernet, data: EncodedDataset, batch_size: int, name: str
) -> Literal["float32", "bfloat16"]:
    """The faster of float32 and bfloat16 on this device for the full model, if both score alike.

    Alike means within the 95 % interval of the float32 score as a mean over the examples looked at, at
    most 512.
    """
    some = data.take(np.arange(min(_TRIAL_EXAMPLES, len(data))))
    seconds, scores = {}, {}
    for precision in ("float32", "bfloat16"):
        model = supernet.model if precision == "float32" else _as_bfloat16(supernet)
        outputs = np.empty((len(some), _num_labels(supernet)), np.float32)
        batches = list(some.batches(batch_size, order="length"))
        with torch.inference_mode():
            model(**batches[-1].inputs)
            start = time.perf_counter()
            for batch in batches:
                outputs[batch.indices] = model(**batch.inputs).logits.float().numpy()
        seconds[precision] = time.perf_counter() - start
        if not np.isfinite(outputs).all():
            if precision == "float32":
                raise ConfigError("the full model's outputs are not finite; check its weights")
            return "float32"
        scores[precision] = metric_values([name], outputs, some.labels)[name]
    is_alike = abs(scores["float32"] - scores["bfloat16"]) <= _half_width(scores["float32"], len(some))
    return "bfloat16" if is_alike and seconds["bfloat16"] < seconds["float32"] else "float32"


def _half_width(score: float, examples: int) -> float:
    """Half the 95 % interval of a score as a mean of outcomes between 0 and 1."""
    share = min(max(abs(score), 0.05), 0.95)
    return 1.96 * math.sqrt(share * (1 - share) / examples)


def _num_labels(supernet: Supernet) -> int:
    labels: Any = supernet.model.config.num_labels
    return int(labels)


def _as_bfloat16(supernet: Supernet) -> Any:
    copy: Any = supernet.extract(supernet.full)
    return copy.to(torch.bfloat16).eval()
