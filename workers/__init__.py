"""Everything that runs evaluations: pools of workers, the latency protocol, the device fingerprint.

Importing this package loads neither Ray nor torch; each name below is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.device import DeviceFingerprint, fingerprint
    from workers.latency import Calibration, PairedLatency, PairedSamples, calibrate, measure_pair
    from workers.protocol import (
        Completion,
        Evaluator,
        EvaluatorFactory,
        Failure,
        FailureReason,
        Lane,
        LaneName,
        Pool,
        PoolError,
        Task,
    )
    from workers.ray_pool import RayPool
    from workers.regions import FileRegion, FileStamp, Shared, mapped
    from workers.sampling import LatencyProtocol
    from workers.serial import SerialPool
    from workers.timing import CpuTimer, CudaTimer, Timer, timer_for

_MODULES = {
    "device": ("DeviceFingerprint", "fingerprint"),
    "latency": ("Calibration", "PairedLatency", "PairedSamples", "calibrate", "measure_pair"),
    "protocol": (
        "Completion",
        "Evaluator",
        "EvaluatorFactory",
        "Failure",
        "FailureReason",
        "Lane",
        "LaneName",
        "Pool",
        "PoolError",
        "Task",
    ),
    "ray_pool": ("RayPool",),
    "regions": ("FileRegion", "FileStamp", "Shared", "mapped"),
    "sampling": ("LatencyProtocol",),
    "serial": ("SerialPool",),
    "timing": ("CpuTimer", "CudaTimer", "Timer", "timer_for"),
}
_EXPORTS = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Calibration",
    "Completion",
    "CpuTimer",
    "CudaTimer",
    "DeviceFingerprint",
    "Evaluator",
    "EvaluatorFactory",
    "Failure",
    "FailureReason",
    "FileRegion",
    "FileStamp",
    "Lane",
    "LaneName",
    "LatencyProtocol",
    "PairedLatency",
    "PairedSamples",
    "Pool",
    "PoolError",
    "RayPool",
    "SerialPool",
    "Shared",
    "Task",
    "Timer",
    "calibrate",
    "fingerprint",
    "mapped",
    "measure_pair",
    "timer_for",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _EXPORTS:
            raise AttributeError(f"module 'workers' has no attribute {name!r}; it has {', '.join(__all__)}")
        return getattr(import_module(f"workers.{_EXPORTS[name]}"), name)
