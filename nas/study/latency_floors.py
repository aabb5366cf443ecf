"""Latencies that were not measured: bounds below them, by which a candidate may be ruled out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nas.targets.prediction import LatencyPredictor
from search_spaces import ModelShape, SubnetConfig

#: Suffix of a metric that was predicted, not measured.
PREDICTED: Final = "_predicted"


class LatencyFloors:
    """A study's latencies as metrics: what is likely, and what is a bound below.

    Ratios are `LatencyPredictor`'s; milliseconds are these times the full model's own latency. It only
    pre-filters: what reaches the front is measured.
    """

    def __init__(self, shape: ModelShape) -> None:
        self._predictor = LatencyPredictor(shape)
        self.reference_ms = 0.0

    def add(self, config: SubnetConfig, ratio: float, half_width: float | None = None) -> None:
        """Learn a measured ratio, with half its interval if that is known; the last one of a shape counts."""
        self._predictor.add(config, ratio, half_width)

    def learn(self, config: SubnetConfig, metrics: Mapping[str, float]) -> None:
        """Learn a trial's latency from its metrics, if it was measured."""
        if "latency_ratio" not in metrics:
            return
        low, high = metrics.get("latency_ratio_low"), metrics.get("latency_ratio_high")
        half_width = None if low is None or high is None else (high - low) / 2
        self.add(config, metrics["latency_ratio"], half_width)

    def lower(self, config: SubnetConfig) -> dict[str, float]:
        """Metrics that a sub-network's latency will not fall below; 0 while too little was measured."""
        return self._metrics(self._predictor.lower(config) or 0.0)

    def likely(self, config: SubnetConfig) -> dict[str, float]:
        """Predicted metrics; 0 while too little was measured."""
        return self._metrics(self._predictor.likely(config) or 0.0)

    def predicted(self, config: SubnetConfig) -> dict[str, float]:
        """Predicted metrics under names of their own; empty while too little was measured."""
        ratio = self._predictor.likely(config)
        if ratio is None:
            return {}
        return {f"{name}{PREDICTED}": value for name, value in self._metrics(ratio).items()}

    def _metrics(self, ratio: float) -> dict[str, float]:
        return {"latency_ratio": ratio, "latency_ms": ratio * self.reference_ms}


def with_predictions(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics with predictions in place of what was not measured, for a sampler that must rank all trials."""
    predicted = {
        name.removesuffix(PREDICTED): value for name, value in metrics.items() if name.endswith(PREDICTED)
    }
    return {**predicted, **metrics}
