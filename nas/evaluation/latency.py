"""Latency of a sub-network's shape, paired with the full model's.

The primary figure is the ratio to the full model, timed in turn; milliseconds are that ratio times the
full model's own latency, calibrated once a study.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import torch

from nas.evaluation.skeleton import Skeleton, random_model
from nas.evaluation.target import Target
from nas.families import family_of, random_inputs
from search_spaces import ModelShape, SubnetConfig
from search_spaces.units import count
from workers import CpuTimer, EvaluatorFactory, LatencyProtocol, Timer, calibrate, measure_pair, timer_for

#: A disturbed measurement is still ranked if its ratio is known this well, as a share of it or of the full
#: model: pairs are disturbed alike.
USABLE_PRECISION: Final = 0.05
USABLE_HALF_WIDTH: Final = 0.005


@dataclass(frozen=True, kw_only=True)
class LatencyResult:
    """What a worker measured.

    Attributes:
        statistics: figures by name; `ratio` with its interval, or `reference_ms` of a calibration.
        samples: raw samples of the pairs; of a calibration, the full model's with itself.
        flag: `ok`, `noisy` (interval wider than asked for) or `contended` (others took the processor).
        device: fingerprint of where it ran.
    """

    statistics: Mapping[str, float]
    samples: bytes = field(repr=False)
    flag: str
    device: Mapping[str, Any]

    @property
    def is_usable(self) -> bool:
        """Whether a ratio is known well enough to be ranked, whatever the flag."""
        if "ratio" not in self.statistics:
            return True
        return half_width(self.statistics) <= max(
            USABLE_PRECISION * self.statistics["ratio"], USABLE_HALF_WIDTH
        )


@dataclass(frozen=True, kw_only=True)
class LatencyEvaluation:
    """The latency lane of a study: a target and a protocol."""

    target: Target
    protocol: LatencyProtocol = field(default_factory=LatencyProtocol)

    def factory(self, skeleton: Skeleton) -> EvaluatorFactory:
        """What the lane's worker is built with; its payload is a sub-network's JSON, or None to calibrate."""
        return _LatencyFactory(self, skeleton)


def half_width(statistics: Mapping[str, float]) -> float:
    """Half the interval of a measured ratio."""
    return (statistics["ratio_high"] - statistics["ratio_low"]) / 2


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


@dataclass(frozen=True)
class _LatencyFactory:
    evaluation: LatencyEvaluation
    skeleton: Skeleton

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> _LatencyWorker:
        del arrays  # latency does not depend on weights
        return _LatencyWorker(self.evaluation, self.skeleton)


class _LatencyWorker:
    """Lives in the latency lane's worker: the full model with random weights, made once."""

    def __init__(self, evaluation: LatencyEvaluation, skeleton: Skeleton) -> None:
        self._evaluation = evaluation
        self._skeleton = skeleton
        target = evaluation.target
        self._device = asdict(target.fingerprint())
        self._inputs = _inputs(skeleton, target)
        self._reference = self._forward(None)
        self._timer = _timer(target)

    def __call__(self, payload: Mapping[str, Any] | None) -> LatencyResult:
        with _intra_op_threads(self._evaluation.target):
            return self._calibrate() if payload is None else self._compare(SubnetConfig.from_json(payload))

    def _calibrate(self) -> LatencyResult:
        """Time the full model alone, and then beside itself: that gives its CPU time by the same clock."""
        protocol = self._evaluation.protocol
        calibration = calibrate(self._reference, protocol, timer=self._timer)
        statistics = {
            "reference_ms": calibration.reference_ms,
            "reference_low_ms": calibration.reference_low_ms,
            "reference_high_ms": calibration.reference_high_ms,
            "num_samples": float(calibration.num_samples),
            "seconds": calibration.seconds,
        }
        if calibration.cpu_share is not None:
            statistics["cpu_share"] = calibration.cpu_share
        pair = measure_pair(self._reference, self._reference, protocol, timer=self._timer)
        return self._result(statistics, pair.samples.to_bytes(), calibration.flag)

    def _compare(self, config: SubnetConfig) -> LatencyResult:
        pair = measure_pair(
            self._forward(config), self._reference, self._evaluation.protocol, timer=self._timer
        )
        return self._result(pair.statistics(), pair.samples.to_bytes(), pair.flag)

    def _result(self, statistics: Mapping[str, float], samples: bytes, flag: str) -> LatencyResult:
        return LatencyResult(statistics=statistics, samples=samples, flag=flag, device=self._device)

    def _forward(self, config: SubnetConfig | None) -> Callable[[], object]:
        """One forward pass of a sub-network with random weights; the full model for None."""
        target = self._evaluation.target
        shape_of_full = _full_config(self._skeleton)
        model = random_model(
            self._skeleton, config or shape_of_full, dtype=getattr(torch, target.dtype), device=target.device
        )
        inputs = self._inputs

        def forward() -> object:
            with torch.inference_mode():
                return model(**inputs)

        return forward


def _timer(target: Target) -> Timer:
    return CpuTimer(threads=target.threads) if target.device == "cpu" else timer_for(target.device)


@contextmanager
def _intra_op_threads(target: Target) -> Iterator[None]:
    """As many threads of torch as the target has, in this process, for the length of the block."""
    if target.device != "cpu":
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(target.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _full_config(skeleton: Skeleton) -> SubnetConfig:
    module = skeleton.module
    return SubnetConfig.full(family_of(module.config.model_type).describe(module))


def _inputs(skeleton: Skeleton, target: Target) -> dict[str, torch.Tensor]:
    """Random inputs of the target's size, on its device."""
    inputs = random_inputs(skeleton.module, target.batch_size, target.sequence_length)
    dtype = getattr(torch, target.dtype)
    return {
        name: tensor.to(target.device, dtype if tensor.is_floating_point() else None)
        for name, tensor in inputs.items()
    }
