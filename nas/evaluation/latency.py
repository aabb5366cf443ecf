"""Latency of a sub-network's shape, paired with the full model's.

The primary figure is the ratio to the full model, timed in turn; milliseconds are that ratio times the
full model's own latency, calibrated once a study.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nas.evaluation.runtimes.availability import check_available
from nas.evaluation.target import Target
from search_spaces import LayerUnits, ModelShape, SubnetConfig
from search_spaces.units import count
from workers import Evaluator, EvaluatorFactory, LatencyProtocol

if TYPE_CHECKING:  # who only reads measurements needs no torch
    from nas.evaluation.skeleton import Skeleton

#: A noisy measurement is still ranked if its ratio is known this well, as a share of it or of the full model:
#: pairs are disturbed alike.
USABLE_PRECISION: Final = 0.05
USABLE_HALF_WIDTH: Final = 0.005
#: The same of one that others took the processor from, whose interval is all that vouches for it.
CONTENDED_PRECISION: Final = 0.02
CONTENDED_HALF_WIDTH: Final = 0.0025


@dataclass(frozen=True, kw_only=True)
class LatencyResult:
    """What a worker measured.

    Attributes:
        statistics: figures by name; `ratio` with its interval, or `reference_ms` of a calibration. What a
            device cannot tell, such as energy, is not there. See docs/latency.md.
        samples: raw samples of the pairs; of a calibration, the full model's with itself.
        flag: `ok`, `noisy` (interval wider than asked for) or `contended` (others took the processor).
        device: fingerprint of where it ran; of a GPU also its clocks and the like, `before` and `after`.
    """

    statistics: Mapping[str, float]
    samples: bytes = field(repr=False)
    flag: str
    device: Mapping[str, Any]

    @property
    def is_usable(self) -> bool:
        """Whether a ratio is known well enough to be ranked, better so if it is contended."""
        figures, relative, absolute = self.statistics, USABLE_PRECISION, USABLE_HALF_WIDTH
        if self.flag == "contended":
            relative, absolute = CONTENDED_PRECISION, CONTENDED_HALF_WIDTH
        return all(
            half_width(figures, name) <= max(relative * figures[name], absolute)
            for name in ("ratio", "prefill_ratio")
            if name in figures
        )


@dataclass(frozen=True, kw_only=True)
class LatencyEvaluation:
    """The latency lane of a study: a target and a protocol."""

    target: Target
    protocol: LatencyProtocol = field(default_factory=LatencyProtocol)

    def factory(self, skeleton: Skeleton) -> EvaluatorFactory:
        """What the lane's worker is built with; its payload is a sub-network's JSON, or None to calibrate.

        Raises:
            ConfigError: the model cannot do what the target times.
            TargetUnavailableError: this machine is the target and lacks its runtime.
        """
        self.target.check_task(skeleton.task)
        if not self.target.labels:  # else it is another machine that needs the runtime
            check_available(self.target)
        return _LatencyFactory(self, skeleton)


def half_width(statistics: Mapping[str, float], name: str = "ratio") -> float:
    """Half the interval of a measured ratio."""
    return (statistics[f"{name}_high"] - statistics[f"{name}_low"]) / 2


def shape_key(shape: ModelShape, config: SubnetConfig) -> str:
    """Name of everything about a sub-network that its latency depends on: sizes, not which units."""
    layers = [
        [
            [count(units.heads), count(units.queries), count(units.ffn)]
            for units in config.layers[stack.start : stack.stop]
            if units is not None
        ]
        for stack in shape.stacks
    ]
    outside = [
        [layout.name, [[[s.axis, s.size] for s in dim] for dim in layout.dims]]
        for layout in shape.tensors
        if layout.layer is None and layout.tokens != "none"
    ]
    head_dims = sorted({layer.head_dim for layer in shape.layers})
    record = [shape.model_type, count(config.hidden), layers, head_dims, outside]
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()[:32]


def sizes_only(config: SubnetConfig) -> SubnetConfig:
    """The sub-network of the same sizes that keeps the first units: latency does not depend on which."""
    layers = tuple(
        None
        if units is None
        else LayerUnits(heads=count(units.heads), queries=count(units.queries), ffn=count(units.ffn))
        for units in config.layers
    )
    return SubnetConfig(hidden=count(config.hidden), layers=layers)


@dataclass(frozen=True)
class _LatencyFactory:
    evaluation: LatencyEvaluation
    skeleton: Skeleton

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> Evaluator:
        from nas.evaluation.latency_worker import LatencyWorker

        del arrays  # latency does not depend on weights
        return LatencyWorker(self.evaluation, self.skeleton)
