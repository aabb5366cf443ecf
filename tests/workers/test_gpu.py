"""What NVML tells of a GPU, by a module that answers like it."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from workers.gpu import Gpu, gpu_of, open_gpu


class NoAnswerError(Exception):
    """Like `pynvml.NVMLError`."""


def refuse(*_: object) -> Any:
    raise NoAnswerError("Not Supported")


def answering(**changes: Any) -> SimpleNamespace:
    clocks = {1: 1410, 2: 1215}
    names = {
        "NVMLError": NoAnswerError,
        "NVML_CLOCK_SM": 1,
        "NVML_CLOCK_MEM": 2,
        "NVML_TEMPERATURE_GPU": 0,
        "nvmlDeviceGetClockInfo": lambda handle, kind: clocks[kind],
        "nvmlDeviceGetTemperature": lambda handle, sensor: 61,
        "nvmlDeviceGetPowerUsage": lambda handle: 250_500,
        "nvmlDeviceGetCurrentClocksEventReasons": lambda handle: 0x4 | 0x20,
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: 12_500,
    }
    return SimpleNamespace(**(names | changes))


def test_the_state_has_units_in_its_names() -> None:
    assert Gpu(nvml=answering(), handle=0).state() == {
        "sm_clock_mhz": 1410,
        "memory_clock_mhz": 1215,
        "temperature_c": 61,
        "power_w": 250.5,
        "clock_limits": ["software_power_cap", "software_thermal_slowdown"],
    }


def test_what_a_gpu_does_not_tell_is_left_out() -> None:
    state = Gpu(nvml=answering(nvmlDeviceGetPowerUsage=refuse), handle=0).state()
    assert "power_w" not in state
    assert state["temperature_c"] == 61


def test_a_gpu_without_a_counter_has_no_energy() -> None:
    silent = answering(nvmlDeviceGetTotalEnergyConsumption=refuse)
    assert Gpu(nvml=silent, handle=0).energy_joules() is None
    assert Gpu(nvml=answering(), handle=0).energy_joules() == 12.5


def test_without_the_package_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert open_gpu("GPU-1") is None


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("pynvml")
    module.NVMLError, module.nvmlInit = NoAnswerError, refuse
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert open_gpu("GPU-1") is None


def test_the_names_that_are_asked_for_are_those_of_nvml() -> None:
    pynvml = pytest.importorskip("pynvml")
    missing = [name for name in vars(answering()) if not hasattr(pynvml, name)]
    assert missing == []


def test_a_processor_is_no_gpu() -> None:
    assert gpu_of("cpu") is None
