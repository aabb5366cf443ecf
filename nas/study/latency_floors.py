"""Latencies that were not measured: bounds below them, by which a candidate may be ruled out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from search_spaces import ModelShape, SubnetConfig
from search_spaces.units import count

#: Measured shapes before anything is predicted: twice the features, and one to spare.
_LEAST: Final = 13
_RIDGE: Final = 1e-6
_COVERAGE: Final = 0.9
#: Suffix of a metric that was predicted, not measured.
PREDICTED: Final = "_predicted"


class LatencyFloors:
    """Predicts the ratio of a sub-network's latency to the full model's from those measured so far.

    Linear in the number of kept attention and feed-forward sub-layers, of their units, and of these times the
    embedding dimension; fitted for small relative errors. The lower bound lies below the prediction by the
    share that nine of ten measured shapes stayed within when they were left out: for exchangeable shapes it
    fails one time in ten (conformal prediction, Vovk et al. 2005), and errors upwards do no harm. It only
    pre-filters: what reaches the front is measured.
    """

    def __init__(self, shape: ModelShape) -> None:
        self._shape = shape
        self._measured: dict[str, tuple[npt.NDArray[np.float64], float]] = {}
        self._weights: npt.NDArray[np.float64] | None = None
        self._margin = 0.0
        self.reference_ms = 0.0

    def add(self, config: SubnetConfig, ratio: float) -> None:
        """Learn a measured ratio; the last one of a sub-network counts."""
        self._measured[config.key] = (self._features(config), ratio)
        self._weights = None

    def lower(self, config: SubnetConfig) -> dict[str, float]:
        """Metrics that a sub-network's latency will not fall below; 0 while too little was measured."""
        ratio = self._predict(config)
        bound = 0.0 if ratio is None else max(0.0, ratio / (1 + self._margin))
        return {"latency_ratio": bound, "latency_ms": bound * self.reference_ms}

    def likely(self, config: SubnetConfig) -> dict[str, float]:
        """Predicted metrics; 0 while too little was measured."""
        ratio = max(0.0, self._predict(config) or 0.0)
        return {"latency_ratio": ratio, "latency_ms": ratio * self.reference_ms}

    def predicted(self, config: SubnetConfig) -> dict[str, float]:
        """Predicted metrics under names of their own; empty while too little was measured."""
        if self._predict(config) is None:
            return {}
        return {f"{name}{PREDICTED}": value for name, value in self.likely(config).items()}

    def _predict(self, config: SubnetConfig) -> float | None:
        if len(self._measured) < _LEAST:
            return None
        if self._weights is None:
            self._fit()
        assert self._weights is not None
        return float(self._features(config) @ self._weights)

    def _fit(self) -> None:
        """Least squares of relative errors; those of left-out rows follow from the hat matrix."""
        ratios = np.array([ratio for _, ratio in self._measured.values()])
        rows = np.stack([row for row, _ in self._measured.values()]) / ratios[:, None]
        gram = rows.T @ rows + _RIDGE * np.eye(rows.shape[1])
        self._weights = np.linalg.solve(gram, rows.sum(axis=0))
        leverage = np.einsum("ij,ji->i", rows, np.linalg.solve(gram, rows.T))
        errors = (1 - rows @ self._weights) / np.maximum(1 - leverage, 1e-3)
        rank = min(len(errors) - 1, math.ceil(_COVERAGE * (len(errors) + 1)) - 1)
        self._margin = float(np.sort(np.abs(errors))[rank])

    def _features(self, config: SubnetConfig) -> npt.NDArray[np.float64]:
        shape = self._shape
        hidden = count(config.hidden) / shape.hidden_size
        kept = [(units, full) for units, full in zip(config.layers, shape.layers, strict=True) if units]
        heads = [units.num_attention_heads / full.num_attention_heads for units, full in kept]
        neurons = [count(units.ffn) / full.intermediate_size for units, full in kept]
        depth = len(shape.layers)
        sums = [
            sum(share > 0 for share in heads),
            sum(share > 0 for share in neurons),
            sum(heads) * hidden,
            sum(neurons) * hidden,
        ]
        return np.array([1.0, hidden, *(value / depth for value in sums)])


def with_predictions(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics with predictions in place of what was not measured, for a sampler that must rank all trials."""
    predicted = {
        name.removesuffix(PREDICTED): value for name, value in metrics.items() if name.endswith(PREDICTED)
    }
    return {**predicted, **metrics}
