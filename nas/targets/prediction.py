"""Latencies that were not measured, predicted from those that were on the same target."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from nas.metrics import kendall_tau
from nas.targets.block_features import Array, BlockFeatures, Widths
from nas.targets.ridge import NOISE, RidgeFit, prior_scales
from search_spaces import ModelShape, SubnetConfig

#: Measured shapes before anything is predicted, for each stack of blocks: twice the numbers and units of two
#: kinds of sub-layer, a constant and the embedding, and one to spare.
_LEAST: Final = 13
#: How large bends of a table, and the residual, may be as shares of the full model's latency, ascending.
_TABLE_SCALES: Final = (0.01, 0.1, 1.0)
_RESIDUAL_SCALES: Final = (0.003, 0.03, 0.3)
_SELECTION_SHAPES: Final = 500
_RANKED_SHAPES: Final = 1000


@dataclass(frozen=True, kw_only=True)
class PredictionError:
    """How wrong predictions are of shapes that were measured but left out of the fit, one at a time.

    Attributes:
        mean_absolute_relative_error: 0.05 is 5 % of the measured latency.
        kendall_tau: 1 if all pairs are in the right order, noise of the measurements included; None where
            all were measured equal.
    """

    mean_absolute_relative_error: float
    kendall_tau: float | None
    num_shapes: int


class LatencyPredictor:
    """Predicts a sub-network's latency as a share of the full model's, from measured shares of whole shapes.

    A constant, a latency table by size for each kind of sub-layer, summed over the kept ones, and a residual
    of products of these sums: linear in `BlockFeatures`, fitted for small relative errors by ridge
    regression. Precise measurements weigh more. How far it may bend is chosen by errors of left-out shapes.

    It only pre-filters: what reaches the front is measured.
    """

    def __init__(self, shape: ModelShape) -> None:
        self._features = BlockFeatures(shape)
        self._least = _LEAST * len(shape.stacks)
        self._measured: dict[bytes, tuple[Array, float, float]] = {}
        self._fit: RidgeFit | None = None

    def add(self, config: SubnetConfig, ratio: float, half_width: float | None = None) -> None:
        """Learn a measured ratio; of equal shapes the last one counts.

        Args:
            half_width: half the 95 % interval of the ratio, if it is known.

        Raises:
            ValueError: the ratio is not above 0.
        """
        if not (ratio > 0 and math.isfinite(ratio)):
            raise ValueError(f"latency ratio is {ratio}; a measured ratio is a finite number above 0")
        row = self._features.row(config)
        spread = math.hypot(NOISE, (half_width or 0.0) / 2 / ratio)
        self._measured[row.tobytes()] = (row, ratio, spread)
        self._fit = None

    @property
    def num_shapes(self) -> int:
        """Different shapes that were learnt from."""
        return len(self._measured)

    def likely(self, config: SubnetConfig) -> float | None:
        """Predicted ratio; None while too little was measured."""
        fit = self._fitted()
        return None if fit is None else max(0.0, fit.predict(self._features.row(config)))

    def lower(self, config: SubnetConfig) -> float | None:
        """A bound that nine of ten ratios are not below; None while too little was measured.

        It lies below the prediction by the share that nine of ten measured shapes stayed within when they
        were left out, more where the sub-network is unlike them: conformal prediction by errors divided by
        their expected size (Lei et al. 2018, Distribution-free predictive inference, Sec. 5.2), of left-out
        rows in place of a second sample (Barber et al. 2021, Predictive inference with the jackknife+). It
        holds for shapes drawn as the measured ones were; a search drifts from them.
        """
        fit = self._fitted()
        return None if fit is None else fit.lower(self._features.row(config))

    def cross_validated(self) -> PredictionError | None:
        """Errors of measured shapes when each is left out of the fit; None while too little was measured."""
        fit = self._fitted()
        if fit is None:
            return None
        ratios = np.array([ratio for _, ratio, _ in self._measured.values()])
        predicted = ratios * (1 - fit.left_out)
        some = slice(0, _RANKED_SHAPES)
        return PredictionError(
            mean_absolute_relative_error=float(np.abs(fit.left_out).mean()),
            kendall_tau=kendall_tau(list(ratios[some]), list(predicted[some])),
            num_shapes=len(ratios),
        )

    def _fitted(self) -> RidgeFit | None:
        if len(self._measured) < self._least:
            return None
        if self._fit is None:
            rows, ratios, spreads = map(np.array, zip(*self._measured.values(), strict=True))
            self._fit = _best_fit(rows, ratios, spreads, self._features.widths)
        return self._fit


def _best_fit(rows: Array, ratios: Array, spreads: Array, widths: Widths) -> RidgeFit:
    """The straightest fit that is no worse than the best by more than chance, on left-out shapes.

    Source: the one-standard-error rule of Breiman et al. 1984, Classification and Regression Trees, Sec.
    3.4.3, here of the paired differences to the best.
    """
    some = slice(0, _SELECTION_SHAPES)
    scales = [prior_scales(widths, *pair) for pair in itertools.product(_TABLE_SCALES, _RESIDUAL_SCALES)]
    errors = np.stack(
        [np.abs(RidgeFit(rows[some], ratios[some], spreads[some], each).left_out) for each in scales]
    )
    excess = errors - errors[errors.mean(axis=1).argmin()]
    is_good = excess.mean(axis=1) <= excess.std(axis=1) / math.sqrt(errors.shape[1])
    return RidgeFit(rows, ratios, spreads, scales[int(is_good.argmax())])
