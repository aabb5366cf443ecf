"""What NVIDIA's management library tells of a GPU: clocks, temperature, power, energy.

Written after NVML's documentation and the `pynvml` module of `nvidia-ml-py`; it has not been run on a GPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

logger = logging.getLogger(__name__)

#: Why clocks were held down, by NVML's bit. Source: nvml.h, nvmlClocksEventReason*.
CLOCK_LIMITS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x1: "gpu_idle",
        0x2: "applications_clocks_setting",
        0x4: "software_power_cap",
        0x8: "hardware_slowdown",
        0x10: "sync_boost",
        0x20: "software_thermal_slowdown",
        0x40: "hardware_thermal_slowdown",
        0x80: "hardware_power_brake",
        0x100: "display_clock_setting",
    }
)


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU as NVML sees it.

    Attributes:
        nvml: the module `pynvml`, or one like it, after its initialisation.
        handle: NVML's, of the device.
    """

    nvml: Any
    handle: Any

    def state(self) -> dict[str, Any]:
        """Clocks in MHz, temperature in degrees Celsius, power in watts, and what holds the clocks down.

        What this GPU does not tell is left out.
        """
        nvml, handle = self.nvml, self.handle
        readings: dict[str, Callable[[], Any]] = {
            "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
            "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            "clock_limits": lambda: _limits(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)),
        }
        read = {name: self._read(reading) for name, reading in readings.items()}
        return {name: value for name, value in read.items() if value is not None}

    def energy_joules(self) -> float | None:
        """Energy used since the driver was loaded; None on GPUs that do not count it."""
        millijoules = self._read(lambda: self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle))
        return None if millijoules is None else float(millijoules) / 1000

    def _read(self, reading: Callable[[], Any]) -> Any | None:
        try:
            return reading()
        except self.nvml.NVMLError:
            return None


def open_gpu(uuid: str) -> Gpu | None:
    """The GPU of a UUID such as `GPU-…`; None without `nvidia-ml-py`, a driver, or such a GPU."""
    try:
        nvml: Any = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        return Gpu(nvml=nvml, handle=nvml.nvmlDeviceGetHandleByUUID(uuid))
    except nvml.NVMLError as error:
        logger.info("NVML tells nothing of %s: %s", uuid, error)
        return None


def gpu_of(device: str) -> Gpu | None:
    """The GPU of a torch device such as `cuda:0`; None of a processor."""
    if device.partition(":")[0] != "cuda":
        return None
    import torch

    # NVML counts all GPUs of the machine, torch those that it was given: only the UUID is the same.
    uuid = str(torch.cuda.get_device_properties(device).uuid)
    return open_gpu(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")


def _limits(reasons: int) -> list[str]:
    return [name for bit, name in CLOCK_LIMITS.items() if reasons & bit]
