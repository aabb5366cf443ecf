"""Ridge regression of relative errors, with the errors of left-out rows and a bound that follows."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from nas.targets.block_features import Array, Widths

#: Relative error that no measurement is trusted beyond, and that of one whose interval is unknown.
NOISE: Final = 0.01
_COVERAGE: Final = 0.9
_LINEAR_SCALE: Final = 3.0
_LEAST_FREEDOM: Final = 1e-3


def prior_scales(widths: Widths, table: float, residual: float) -> Array:
    """Expected size of each weight: that of a linear one says next to nothing."""
    sizes = (widths.linear, widths.table, widths.residual)
    return np.repeat([_LINEAR_SCALE, table, residual], sizes)


class RidgeFit:
    """Weights of one ridge regression of relative errors.

    Attributes:
        left_out: relative errors `1 - predicted / measured` of rows left out one at a time, `(shapes,)`; they
            follow from the hat matrix.
    """

    def __init__(self, rows: Array, ratios: Array, spreads: Array, scales: Array) -> None:
        scaled = rows / (ratios * spreads)[:, None]
        self._covariance = np.linalg.inv(scaled.T @ scaled + np.diag(scales**-2))
        self._weights = self._covariance @ (scaled.T @ (1 / spreads))
        leverage = np.einsum("ij,ij->i", scaled @ self._covariance, scaled)
        kept = np.maximum(1 - leverage, _LEAST_FREEDOM)
        self.left_out: Array = (1 - rows @ self._weights / ratios) / kept
        scores = np.sort(np.abs(self.left_out) * np.sqrt(kept))
        rank = min(len(scores) - 1, math.ceil(_COVERAGE * (len(scores) + 1)) - 1)
        self._margin = float(scores[rank])

    def predict(self, row: Array) -> float:
        """The ratio of a row of features."""
        return float(row @ self._weights)

    def lower(self, row: Array) -> float:
        """The bound below the ratio of a row of features."""
        ratio = self.predict(row)
        if ratio <= 0:
            return 0.0
        scaled = row / (ratio * NOISE)
        return ratio / (1 + self._margin * math.sqrt(1 + scaled @ self._covariance @ scaled))
