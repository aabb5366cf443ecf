"""What is known of a full model's activations, gathered when it is first asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from nas.compensation.calibrating import gather_moments
from nas.compensation.closed_form import Moments
from nas.compensation.linear_fit import (
    Contribution,
    SumPoint,
    check_points,
    find_sum_points,
    gather_contributions,
)
from nas.compensation.projections import output_projections
from nas.compensation.runs import Run
from nas.importance import CalibrationBatch
from nas.supernet import Supernet

_log = logging.getLogger(__name__)

#: Fewer tokens an input than this, and least squares fit the calibration data rather than the model.
#: Measured on MiniLM with SST-2: see docs/compensation.md.
_TOKENS_AN_INPUT: Final = 2


class Statistics:
    """Statistics of one state of a supernet's weights on calibration data.

    Attributes:
        projections: output projections of all sub-layers.
        batches: the calibration data.
        passes: forward passes of one batch that were spent so far.
    """

    def __init__(self, supernet: Supernet, batches: Sequence[CalibrationBatch]) -> None:
        self.projections = output_projections(supernet)
        self.batches = tuple(batches)
        self.passes = 0
        self._supernet = supernet
        self._state = ""
        self._moments: dict[str, Moments] | None = None
        self._points: dict[int, SumPoint] | None = None
        self._contributions: dict[Run, Contribution] = {}

    def refresh(self) -> None:
        """Forget everything if the supernet's weights have changed."""
        state = self._supernet.sha256
        if state != self._state:
            self._state, self._moments, self._points = state, None, None
            self._contributions = {}

    def moments(self, path: str) -> Moments:
        """Moments of the inputs of a projection; the first call gathers those of all in one pass."""
        if self._moments is None:
            self._moments = gather_moments(self._supernet, self.projections, self.batches)
            self.passes += len(self.batches)
            _warn_of_few_tokens(self._moments.values())
        return self._moments[path]

    def sum_points(self) -> dict[int, SumPoint]:
        """Where blocks add to the residual stream; the first call runs one batch twice."""
        if self._points is None:
            self._points = find_sum_points(self._supernet, self.batches[0])
            self.passes += 2
        return self._points

    def contributions(self, runs: Sequence[Run]) -> dict[int, Contribution]:
        """Contributions of runs by the block before them; those not yet known take one pass together.

        Raises:
            UnsupportedModelError: `linear_fit` does not fit the architecture.
        """
        missing = [run for run in runs if run not in self._contributions]
        if missing:
            points = self.sum_points()
            check_points(missing, points, self._supernet.shape.model_type)
            found = gather_contributions(self._supernet, missing, points, self.projections, self.batches)
            self.passes += len(self.batches)
            self._contributions |= found
        return {run.before: self._contributions[run] for run in runs}


def _warn_of_few_tokens(moments: Iterable[Moments]) -> None:
    widest = max(moments, key=lambda one: len(one.mean))
    inputs = len(widest.mean)
    if widest.tokens < _TOKENS_AN_INPUT * inputs:
        _log.warning(
            "compensation: %d calibration tokens for a projection of %d inputs are few; use more examples",
            widest.tokens,
            inputs,
        )
