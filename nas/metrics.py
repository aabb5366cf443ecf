"""Quality metrics by name; those of numbers are computed by scikit-learn and scipy (extra `metrics`).

Those of classes are ours, to the bit as scikit-learn has them: its calls cost 0.5 to 2 ms whatever the size,
which a staged search would pay at every stage of every sub-network (docs/evaluation-cost.md). So is the rank
correlation of two scores of the same sub-networks.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError, EvaluationFailedError
from nas.names import entry

Kind: TypeAlias = Literal["classification", "regression", "loss"]
Direction: TypeAlias = Literal["max", "min"]
_Score: TypeAlias = Callable[[npt.NDArray[Any], npt.NDArray[Any]], float]

#: With fewer there is no order worth a figure.
LEAST_RANKED: Final = 3


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How to score predictions, and how to read the score.

    Attributes:
        direction: whether larger (`max`) or smaller (`min`) is better.
        lower, upper: the range of the score, both included.
        score: called with the labels and the predictions; of kind `loss`, with the sums of the examples'
            losses and the numbers of their counted items.
    """

    name: str
    kind: Kind
    direction: Direction
    lower: float
    upper: float
    score: _Score


def metric(name: str) -> Metric:
    """The metric of this name; ConfigError with the nearest known name otherwise."""
    return entry(METRICS, name, "metric")


def compute(name: str, logits: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """The score of a model's outputs.

    Args:
        name: a key of `METRICS`.
        logits: `(examples, num_labels)`, of which the largest counts; or the predictions themselves,
            `(examples,)`: class numbers, or for a regression real numbers (also `(examples, 1)`).
        labels: `(examples,)`.

    Raises:
        EvaluationFailedError: reason `nan`, an output or the score is not finite.
        ConfigError: the shapes do not fit the metric, or it needs scikit-learn, which is not installed.
    """
    chosen = metric(name)
    if chosen.kind == "loss":
        raise ConfigError(f"{name} is computed from losses, not from outputs; call loss_value.")
    outputs, truth = np.asarray(logits), np.asarray(labels)
    _check_finite(outputs, name)
    value = float(chosen.score(truth, _predictions(chosen, outputs, truth)))
    if not math.isfinite(value):
        raise EvaluationFailedError(
            f"{name} is {value}: the outputs are too large to be scored.", reason="nan"
        )
    return value


def loss_value(name: str, sums: npt.NDArray[Any], counts: npt.NDArray[Any]) -> float:
    """A metric of kind `loss`.

    Args:
        name: `loss` or `perplexity`.
        sums: sum of the losses of each example, `(examples,)`.
        counts: number of counted items of each example, `(examples,)`, not all 0.

    Raises:
        EvaluationFailedError: reason `nan`, the value is not finite.
    """
    value = metric(name).score(sums, counts)
    if not math.isfinite(value):
        raise EvaluationFailedError(f"{name} is {value}; the model's outputs cannot be scored.", reason="nan")
    return value


def metric_values(
    names: Sequence[str], logits: npt.NDArray[Any], labels: npt.NDArray[Any]
) -> dict[str, float]:
    """Several scores of the same outputs, by name in the given order; see `compute`."""
    return {name: compute(name, logits, labels) for name in names}


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b, 1 for the same order, -1 for the reverse one, with ties accounted for.

    None with fewer than three items, or where all of one side are equal.

    Source: Kendall 1945, "The treatment of ties in ranking problems".

    Raises:
        ValueError: sequences of different lengths.
    """
    if len(first) != len(second):
        raise ValueError(f"got {len(first)} and {len(second)} scores; give both of every item")
    if len(first) < LEAST_RANKED:
        return None
    upper = np.triu_indices(len(first), k=1)
    signs = [np.sign(np.subtract.outer(side, side))[upper] for side in map(np.asarray, (first, second))]
    untied = [int(np.count_nonzero(sign)) for sign in signs]
    if not all(untied):
        return None
    return float(np.dot(*signs) / math.sqrt(untied[0] * untied[1]))


def _check_finite(outputs: npt.NDArray[Any], name: str) -> None:
    finite = np.isfinite(outputs)
    if not finite.all():
        raise EvaluationFailedError(
            f"{int(outputs.size - finite.sum())} of {outputs.size} model outputs are not finite, so {name} "
            "cannot be computed.",
            reason="nan",
        )


def _predictions(chosen: Metric, outputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if labels.ndim != 1 or not labels.size or outputs.shape[:1] != labels.shape:
        raise ConfigError(
            f"{chosen.name}: outputs have shape {outputs.shape}, labels {labels.shape}; give one label for "
            "each row, at least one."
        )
    if chosen.kind == "regression":
        if outputs.size != labels.size:
            raise ConfigError(
                f"{chosen.name} needs one number for each example, not the shape {outputs.shape}."
            )
        return outputs.reshape(-1).astype(np.float64)
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        return np.asarray(outputs.argmax(axis=1))
    if outputs.ndim == 1 and np.issubdtype(outputs.dtype, np.integer):
        return outputs
    raise ConfigError(
        f"{chosen.name} needs logits of shape (examples, num_labels) or integer classes, not {outputs.dtype} "
        f"of shape {outputs.shape}; for a regression choose mse, pearson or spearman."
    )


def _sklearn_metrics() -> Any:
    try:
        import sklearn.metrics
    except ModuleNotFoundError as error:
        raise ConfigError(
            "metrics of numbers are computed by scikit-learn, which is not installed: "
            'pip install "subnas[metrics]".'
        ) from error
    return sklearn.metrics


@dataclass(frozen=True)
class _Counts:
    """How often each class occurs, `(classes,)`: all that these metrics need."""

    labelled: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    agreed: npt.NDArray[np.int64]


def _counted(labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> _Counts:
    classes, codes = np.unique(np.concatenate([labels, predictions]), return_inverse=True)
    truth, found = np.split(codes, 2)
    return _Counts(*(np.bincount(c, minlength=len(classes)) for c in (truth, found, truth[truth == found])))


def _accuracy(labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
    return float((labels == predictions).mean())


def _f1(labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
    classes = np.union1d(labels, predictions)
    if not np.isin(classes, (0, 1)).all():
        raise ConfigError(f"f1 scores class 1 against class 0, but there are {classes}; choose f1_macro.")
    named = int((labels == 1).sum() + (predictions == 1).sum())
    return 2 * int(((labels == 1) & (predictions == 1)).sum()) / named if named else 0.0


def _f1_macro(labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
    """Mean over the classes that occur, in labels or predictions."""
    counts = _counted(labels, predictions)
    return float((2 * counts.agreed / (counts.labelled + counts.predicted)).mean())


def _matthews(labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
    """Source: Gorodkin 2004, Comparing two K-category assignments by a K-category correlation coefficient."""
    if _is_constant(labels) or _is_constant(predictions):
        return 0.0  # undefined (0/0); scikit-learn's convention
    counts, examples = _counted(labels, predictions), float(len(labels))
    labelled, predicted = counts.labelled.astype(np.float64), counts.predicted.astype(np.float64)
    together = counts.agreed.sum() * examples - labelled @ predicted
    alone = (examples**2 - predicted @ predicted) * (examples**2 - labelled @ labelled)
    return float(together / np.sqrt(alone))


def _mse(labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
    with np.errstate(over="ignore"):
        return float(_sklearn_metrics().mean_squared_error(labels, predictions))


def _pearson(labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
    return _correlation("pearsonr", labels, predictions)


def _spearman(labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
    return _correlation("spearmanr", labels, predictions)


def _correlation(name: str, labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
    """0 when one side is constant: such a prediction orders nothing, and a search must be able to rank it."""
    _sklearn_metrics()  # brings scipy along
    if _is_constant(labels) or _is_constant(predictions):
        return 0.0
    stats = importlib.import_module("scipy.stats")  # has no types
    return float(getattr(stats, name)(labels, predictions).statistic)


def _mean_loss(sums: npt.NDArray[Any], counts: npt.NDArray[Any]) -> float:
    return float(sums.sum(dtype=np.float64) / counts.sum())


def _perplexity(sums: npt.NDArray[Any], counts: npt.NDArray[Any]) -> float:
    """exp(total negative log likelihood / total tokens), natural logarithm."""
    with np.errstate(over="ignore"):
        return float(np.exp(_mean_loss(sums, counts)))


def _is_constant(values: npt.NDArray[Any]) -> bool:
    return bool((values == values[0]).all())


def _metric(name: str, kind: Kind, score: _Score, lower: float = 0.0, upper: float = 1.0) -> Metric:
    direction: Direction = "min" if kind == "loss" or name == "mse" else "max"
    return Metric(name=name, kind=kind, direction=direction, lower=lower, upper=upper, score=score)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        made.name: made
        for made in (
            _metric("accuracy", "classification", _accuracy),
            _metric("f1", "classification", _f1),
            _metric("f1_macro", "classification", _f1_macro),
            _metric("matthews_correlation", "classification", _matthews, lower=-1.0),
            _metric("spearman", "regression", _spearman, lower=-1.0),
            _metric("pearson", "regression", _pearson, lower=-1.0),
            _metric("mse", "regression", _mse, upper=math.inf),
            _metric("loss", "loss", _mean_loss, upper=math.inf),
            _metric("perplexity", "loss", _perplexity, lower=1.0, upper=math.inf),
        )
    }
)
"""Every metric by name."""
