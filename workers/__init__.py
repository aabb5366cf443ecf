"""Everything that runs evaluations: pools of workers, the latency protocol, the device fingerprint.

Importing this package loads neither Ray nor torch; each name below is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.device import DeviceFingerprint, fingerprint
    from workers.energy import EnergyCounter, energy_counter, energy_of_call
    from workers.gpu import Gpu, gpu_of
    from workers.latency import Calibration, PairedLatency, PairedSamples, calibrate, measure_pair
    from workers.memory import MemoryMeter, memory_meter
    from workers.protocol import (
        Completion,
        Evaluator,
        EvaluatorFactory,
        Failure,
        FailureReason,
        HeadLostError,
        Lane,
        LaneName,
        PlacementError,
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
    "energy": ("EnergyCounter", "energy_counter", "energy_of_call"),
    "gpu": ("Gpu", "gpu_of"),
    "latency": ("Calibration", "PairedLatency", "PairedSamples", "calibrate", "measure_pair"),
    "memory": ("MemoryMeter", "memory_meter"),
    "protocol": (
        "Completion",
        "Evaluator",
        "EvaluatorFactory",
        "Failure",
        "FailureReason",
        "HeadLostError",
        "Lane",
        "LaneName",
        "PlacementError",
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
    "EnergyCounter",
    "Evaluator",
    "EvaluatorFactory",
    "Failure",
    "FailureReason",
    "FileRegion",
    "FileStamp",
    "Gpu",
    "HeadLostError",
    "Lane",
    "LaneName",
    "LatencyProtocol",
    "MemoryMeter",
    "PairedLatency",
    "PairedSamples",
    "PlacementError",
    "Pool",
    "PoolError",
    "RayPool",
    "SerialPool",
    "Shared",
    "Task",
    "Timer",
    "calibrate",
    "energy_counter",
    "energy_of_call",
    "fingerprint",
    "gpu_of",
    "mapped",
    "measure_pair",
    "memory_meter",
    "timer_for",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _EXPORTS:
            raise AttributeError(f"module 'workers' has no attribute {name!r}; it has {', '.join(__all__)}")
        return getattr(import_module(f"workers.{_EXPORTS[name]}"), name)
