"""A metric as numbers whose mean it is, so that means of few examples have errors that can be bounded.

Metrics that are means of examples give one number an example. Any other one, such as F1 or a rank
correlation, gives the pseudo-values of the jackknife that leaves out a group of examples at a time.
Source: Tukey 1958, "Bias and confidence in not-quite large samples"; Efron and Stein 1981 for groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from nas.errors import EvaluationFailedError
from nas.evaluation.outcome import Outcome
from nas.metrics import METRICS

Array: TypeAlias = "npt.NDArray[np.float64]"

GROUPS: Final = 40


def can_race(name: str) -> bool:
    """Whether a metric can be bounded from a part of the examples."""
    return name in METRICS


def observations(name: str, outcome: Outcome, items_per_example: float) -> Array:
    """Numbers whose mean is the metric on its linear scale; see `from_linear`.

    Args:
        name: a key of `nas.metrics.METRICS`.
        outcome: of the examples seen so far.
        items_per_example: mean number of counted items over all the data, which a ratio of sums is referred
            to: it is the same for every sub-network.

    Returns:
        `(examples,)` of means, `(groups,)` of any other metric.
    """
    exact = _EXACT.get(name)
    return _pseudo_values(name, outcome) if exact is None else exact(outcome, items_per_example)


def from_linear(name: str, value: float) -> float:
    """A metric from its linear scale: that of the loss for perplexity, its own for all others."""
    if name == "perplexity":
        return math.exp(min(value, 700.0))
    found = METRICS[name]
    return min(max(value, found.lower), found.upper)


def to_linear(name: str, value: float) -> float:
    """The inverse of `from_linear`."""
    return math.log(value) if name == "perplexity" else value


def head(outcome: Outcome, size: int) -> Outcome:
    """The first examples of an outcome."""
    return _taken(outcome, np.arange(len(outcome)) < size)


def _losses(outcome: Outcome, items_per_example: float) -> Array:
    return np.asarray(outcome.sums, dtype=np.float64) / items_per_example


def _hits(outcome: Outcome, items_per_example: float) -> Array:
    assert outcome.predictions is not None
    assert outcome.labels is not None
    classes = outcome.predictions if outcome.predictions.ndim == 1 else outcome.predictions.argmax(axis=1)
    hits: Array = (classes == outcome.labels).astype(np.float64)
    if np.all(outcome.counts == 1):
        return hits
    ends = np.cumsum(outcome.counts)
    summed = np.concatenate([[0.0], np.cumsum(hits)])
    return np.asarray((summed[ends] - summed[ends - outcome.counts]) / items_per_example)


def _squared_errors(outcome: Outcome, items_per_example: float) -> Array:
    del items_per_example
    assert outcome.predictions is not None
    assert outcome.labels is not None
    errors = outcome.predictions.reshape(-1).astype(np.float64) - outcome.labels
    return np.asarray(errors**2)


_EXACT: Final[Mapping[str, Callable[[Outcome, float], Array]]] = MappingProxyType(
    {"loss": _losses, "perplexity": _losses, "accuracy": _hits, "mse": _squared_errors}
)


def _pseudo_values(name: str, outcome: Outcome) -> Array:
    """`g * whole - (g - 1) * without a group`, by group.

    Examples are dealt to groups at random, the same for all sub-networks: their order may alternate classes.
    """
    groups = min(len(outcome), GROUPS)
    member = np.random.default_rng(len(outcome)).permutation(len(outcome)) % groups
    whole = _value(name, outcome)
    without = [_value(name, _taken(outcome, member != group)) for group in range(groups)]
    return groups * whole - (groups - 1) * np.array(without)


def _value(name: str, outcome: Outcome) -> float:
    try:
        return outcome.values([name])[name]
    except EvaluationFailedError:
        return math.nan  # e.g. a part without examples that count: no bound follows from it


def _taken(outcome: Outcome, mask: npt.NDArray[np.bool_]) -> Outcome:
    def rows(values: Any) -> Any:
        return None if values is None else values[np.repeat(mask, outcome.counts)]

    return Outcome(
        sums=outcome.sums[mask],
        counts=outcome.counts[mask],
        predictions=rows(outcome.predictions),
        labels=rows(outcome.labels),
    )
