"""The linear model that latencies were predicted by before, to compare with."""

from __future__ import annotations

import numpy as np

from search_spaces import ModelShape, SubnetConfig
from search_spaces.units import count

_RIDGE = 1e-6


class LinearLatency:
    """Linear in the number of kept sub-layers, their units, and these times the embedding dimension."""

    def __init__(self, shape: ModelShape) -> None:
        self._shape = shape
        self._rows: list[np.ndarray] = []
        self._ratios: list[float] = []

    def add(self, config: SubnetConfig, ratio: float) -> None:
        """Learn a measured ratio."""
        self._rows.append(self._features(config))
        self._ratios.append(ratio)

    def likely(self, config: SubnetConfig) -> float:
        """Predicted ratio, by least squares of relative errors."""
        ratios = np.array(self._ratios)
        rows = np.stack(self._rows) / ratios[:, None]
        gram = rows.T @ rows + _RIDGE * np.eye(rows.shape[1])
        return float(self._features(config) @ np.linalg.solve(gram, rows.sum(axis=0)))

    def _features(self, config: SubnetConfig) -> np.ndarray:
        shape = self._shape
        hidden = count(config.hidden) / shape.hidden_size
        kept = [(units, full) for units, full in zip(config.layers, shape.layers, strict=True) if units]
        heads = [units.num_attention_heads / full.num_attention_heads for units, full in kept]
        neurons = [count(units.ffn) / full.intermediate_size for units, full in kept]
        sums = [
            sum(share > 0 for share in heads),
            sum(share > 0 for share in neurons),
            sum(heads) * hidden,
            sum(neurons) * hidden,
        ]
        return np.array([1.0, hidden, *(value / len(shape.layers) for value in sums)])
