"""Energy of calls, from counters of the device itself; never estimated."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from workers.gpu import Gpu

#: Counters tick about every millisecond (RAPL) to tenth of a second (NVML): shorter windows are coarse.
WINDOW_S: Final = 1.0
_POWERCAP: Final = Path("/sys/class/powercap")
_JOULES_PER_MICROJOULE: Final = 1e-6


class EnergyCounter(Protocol):
    """Counts what a device uses, other work on it included."""

    def joules_since(self, before: Sequence[int]) -> float | None:
        """Return the energy used since `before` was read, or None if it cannot be read any more."""
        ...

    def read(self) -> Sequence[int] | None:
        """Return the counters as they stand, or None where they cannot be read."""
        ...


@dataclass(frozen=True, kw_only=True)
class RaplCounter:
    """Processor packages of a machine, by Linux' power capping; mostly readable by root only.

    Source: Linux, Documentation/power/powercap/powercap.rst.

    Attributes:
        zones: folders of packages, e.g. `/sys/class/powercap/intel-rapl:0`.
    """

    zones: tuple[Path, ...]

    def read(self) -> tuple[int, ...] | None:
        """See `EnergyCounter.read`: microjoules by zone."""
        values = [_number(zone / "energy_uj") for zone in self.zones]
        known = tuple(value for value in values if value is not None)
        return known if len(known) == len(self.zones) else None

    def joules_since(self, before: Sequence[int]) -> float | None:
        """See `EnergyCounter.joules_since`; a counter that started again from 0 is allowed for, once."""
        after = self.read()
        if after is None:
            return None
        total = 0
        for zone, first, last in zip(self.zones, before, after, strict=True):
            ceiling = _number(zone / "max_energy_range_uj")
            if last < first and ceiling is None:
                return None
            total += last - first if last >= first else last - first + (ceiling or 0)
        return total * _JOULES_PER_MICROJOULE


@dataclass(frozen=True, kw_only=True)
class GpuCounter:
    """A GPU's own counter, which GPUs from Volta on have."""

    gpu: Gpu

    def read(self) -> tuple[int] | None:
        """See `EnergyCounter.read`: millijoules."""
        joules = self.gpu.energy_joules()
        return None if joules is None else (round(joules * 1000),)

    def joules_since(self, before: Sequence[int]) -> float | None:
        """See `EnergyCounter.joules_since`."""
        after = self.read()
        return None if after is None else (after[0] - before[0]) / 1000


def energy_counter(gpu: Gpu | None, *, is_gpu: bool, powercap: Path = _POWERCAP) -> EnergyCounter | None:
    """The counter of a GPU or of the processor; None where there is none that can be read.

    Args:
        gpu: as NVML sees it; None without NVML.
        is_gpu: whether the device is one.
        powercap: folder of the kernel's zones.
    """
    counter: EnergyCounter
    if is_gpu:
        if gpu is None:
            return None
        counter = GpuCounter(gpu=gpu)
    else:
        # `intel-rapl:0` is a package; `intel-rapl:0:0` a part of it that would count twice.
        zones = sorted(zone for zone in powercap.glob("intel-rapl:*") if zone.name.count(":") == 1)
        packages = tuple(zone for zone in zones if _text(zone / "name").startswith("package"))
        if not packages:
            return None
        counter = RaplCounter(zones=packages)
    return None if counter.read() is None else counter


def energy_of_call(
    function: Callable[[], object],
    counter: EnergyCounter,
    *,
    window_s: float = WINDOW_S,
    synchronise: Callable[[], object] = lambda: None,
    now: Callable[[], float] = time.monotonic,
) -> float | None:
    """Joules of one call, over a window of calls one after the other; None if the counter stood still.

    Args:
        function: called without arguments.
        counter: of the device; what else runs there counts too, and so does the power of an idle device.
        window_s: wall time that the calls last at least.
        synchronise: waits for the device to be done.
        now: a clock in seconds.
    """
    synchronise()
    before = counter.read()
    if before is None:
        return None
    calls, until = 0, now() + window_s
    while calls == 0 or now() < until:
        function()
        calls += 1
        synchronise()
    joules = counter.joules_since(before)
    return None if joules is None or joules <= 0 else joules / calls


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
