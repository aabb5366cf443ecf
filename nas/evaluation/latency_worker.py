"""What times shapes on a target; it needs no Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

import torch

from nas.evaluation.generation_figures import generation_figures
from nas.evaluation.latency import LatencyEvaluation, LatencyResult, shape_key
from nas.evaluation.runtimes import Calls, check_available, runtime_for
from nas.evaluation.skeleton import Skeleton, random_model
from nas.evaluation.target import Target
from nas.families import family_of, random_inputs
from search_spaces import SubnetConfig
from workers import (
    CpuTimer,
    PairedLatency,
    Timer,
    calibrate,
    energy_counter,
    energy_of_call,
    gpu_of,
    measure_pair,
    memory_meter,
    timer_for,
)

_WORST_LAST: Final = ("ok", "noisy", "contended")


class LatencyWorker:
    """Times sub-networks with random weights beside the full model.

    Called with a sub-network's JSON it compares the two; called with None it times the full model alone.

    Raises:
        ConfigError: the model cannot do what the target times.
        TargetUnavailableError: the runtime is not there.
    """

    def __init__(self, evaluation: LatencyEvaluation, skeleton: Skeleton) -> None:
        target = evaluation.target
        target.check_task(skeleton.task)
        check_available(target)
        self._protocol, self._target, self._skeleton = evaluation.protocol, target, skeleton
        self._shape = family_of(skeleton.module.config.model_type).describe(skeleton.module)
        self._full = SubnetConfig.full(self._shape)
        self._device = asdict(target.fingerprint())
        self._gpu = gpu_of(target.device)
        self._energy = energy_counter(self._gpu, is_gpu=_is_gpu(target))
        self._runtime = runtime_for(target, _inputs(skeleton, target), self._build)
        self._timer = _timer(target)
        self._made: Calls | None = None

    def __call__(self, payload: Mapping[str, Any] | None) -> LatencyResult:
        """Measure one shape, or the full model alone.

        Raises:
            EvaluationFailedError: the runtime cannot take the model.
        """
        before = self._state()
        with _intra_op_threads(self._target):
            statistics, pair, flag = (
                self._calibrate() if payload is None else self._compare(SubnetConfig.from_json(payload))
            )
        states = {"before": before, "after": self._state()} if before else {}
        return LatencyResult(
            statistics=statistics,
            samples=pair.samples.to_bytes(),
            flag=flag,
            device={**self._device, **states},
        )

    def _calibrate(self) -> tuple[dict[str, float], PairedLatency, str]:
        """Time the full model alone, and then beside itself: that gives its CPU time by the same clock."""
        extra: dict[str, float] = {}
        reference = self._reference()
        if self._runtime.measures_memory:
            self._made, extra = self._ready(self._full)
            reference = self._made
        calibration = calibrate(reference.whole, self._protocol, timer=self._timer)
        statistics = {
            "reference_ms": calibration.reference_ms,
            "reference_low_ms": calibration.reference_low_ms,
            "reference_high_ms": calibration.reference_high_ms,
            "num_samples": float(calibration.num_samples),
            "seconds": calibration.seconds,
        }
        if calibration.cpu_share is not None:
            statistics["cpu_share"] = float(calibration.cpu_share)
        flag: str = calibration.flag
        if reference.prefill is not None:
            first = calibrate(reference.prefill, self._protocol, timer=self._timer)
            flag = _worse(flag, first.flag)
            statistics |= generation_figures(calibration.reference_ms, first.reference_ms, self._target)
        pair = self._pair(reference, "whole")
        return statistics | extra | self._energy_of(reference), pair, flag

    def _compare(self, config: SubnetConfig) -> tuple[dict[str, float], PairedLatency, str]:
        self._reference()
        calls, extra = self._ready(config)
        pair = self._pair(calls, "whole")
        statistics, flag = pair.statistics(), pair.flag
        if calls.prefill is not None:
            first = self._pair(calls, "prefill")
            statistics |= {
                "prefill_ratio": first.ratio,
                "prefill_ratio_low": first.ratio_low,
                "prefill_ratio_high": first.ratio_high,
            }
            statistics |= generation_figures(pair.candidate_p50_ms, first.candidate_p50_ms, self._target)
            return statistics | extra | self._energy_of(calls), pair, _worse(flag, first.flag)
        return statistics | extra | self._energy_of(calls), pair, flag

    def _pair(self, calls: Calls, part: str) -> PairedLatency:
        candidate: Callable[[], object] = getattr(calls, part)
        reference: Callable[[], object] = getattr(self._reference(), part)
        return measure_pair(candidate, reference, self._protocol, timer=self._timer)

    def _ready(self, config: SubnetConfig) -> tuple[Calls, dict[str, float]]:
        """A shape to be called, and the memory that it takes if that can be told."""
        if not self._runtime.measures_memory:
            return self._load(config), {}
        self._runtime.prepare(config, shape_key(self._shape, config))
        meter = memory_meter(self._target.device)
        calls = self._load(config)
        calls.whole()  # buffers that stay are made at the first call
        peak = meter.peak_bytes(calls.whole)
        return calls, {} if peak is None else {"peak_memory_bytes": float(peak)}

    def _reference(self) -> Calls:
        """The full model, made ready when it is first needed: exporting it may take minutes."""
        if self._made is None:
            self._made = self._load(self._full)
            self._made.whole()  # the first call of all pays for more than its own memory
        return self._made

    def _load(self, config: SubnetConfig) -> Calls:
        key = shape_key(self._shape, config)
        self._runtime.prepare(config, key)
        return self._runtime.load(config, key)

    def _energy_of(self, calls: Calls) -> dict[str, float]:
        if self._energy is None:
            return {}
        synchronise = torch.cuda.synchronize if _is_gpu(self._target) else _do_nothing
        joules = energy_of_call(calls.whole, self._energy, synchronise=synchronise)
        return {} if joules is None else {"energy_joules": joules}

    def _state(self) -> dict[str, Any]:
        return {} if self._gpu is None else self._gpu.state()

    def _build(self, config: SubnetConfig, dtype: torch.dtype) -> Any:
        return random_model(self._skeleton, config, dtype=dtype, device=self._target.device)


def _do_nothing() -> None:
    """The processor is done when a call returns."""


def _worse(one: str, other: str) -> str:
    return max(one, other, key=_WORST_LAST.index)


def _is_gpu(target: Target) -> bool:
    return target.device.partition(":")[0] == "cuda"


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


def _inputs(skeleton: Skeleton, target: Target) -> dict[str, torch.Tensor]:
    """Random inputs of the target's size, on its device."""
    inputs = random_inputs(skeleton.module, target.batch_size, target.sequence_length)
    dtype = getattr(torch, target.dtype)
    return {
        name: tensor.to(target.device, dtype if tensor.is_floating_point() else None)
        for name, tensor in inputs.items()
    }
