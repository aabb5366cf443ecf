"""Peak memory of a call, by which what was there before is not counted."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

_PROC: Final = Path("/proc/self")
#: Sets the peak back to what is resident now. Source: Linux, proc_pid_clear_refs(5).
_RESET_PEAK: Final = "5"
_BYTES_PER_KIB: Final = 1024


class MemoryMeter(Protocol):
    """Measures by how much memory grows between its making and the peak of a call."""

    def peak_bytes(self, function: Callable[[], object]) -> int | None:
        """Call the function once; return the peak above what was used when the meter was made, if known."""
        ...


class ProcessMemory:
    """Resident memory of this process, by Linux' own high-water mark.

    Memory that was freed before is handed back to the system first, so that what follows cannot hide in it.
    """

    def __init__(self, proc: Path = _PROC) -> None:
        self._proc = proc
        gc.collect()  # models refer to themselves
        _hand_back()
        self._before = _status(proc, "VmRSS")

    def peak_bytes(self, function: Callable[[], object]) -> int | None:
        """See `MemoryMeter.peak_bytes`; None where the mark cannot be set back or read."""
        _hand_back()
        if self._before is None or not _reset_peak(self._proc):
            return None
        function()
        peak = _status(self._proc, "VmHWM")
        return None if peak is None or peak <= self._before else peak - self._before


class CudaMemory:
    """Memory of one GPU that torch's allocator handed out.

    Written after torch's documentation; it has not been run on a GPU.
    """

    def __init__(self, device: str) -> None:
        import torch

        self._device, self._cuda = device, torch.cuda
        gc.collect()
        self._before: int = self._cuda.memory_allocated(device)

    def peak_bytes(self, function: Callable[[], object]) -> int | None:
        """See `MemoryMeter.peak_bytes`."""
        self._cuda.synchronize(self._device)
        self._cuda.reset_peak_memory_stats(self._device)
        function()
        self._cuda.synchronize(self._device)
        peak: int = self._cuda.max_memory_allocated(self._device)
        return None if peak <= self._before else peak - self._before


def memory_meter(device: str) -> MemoryMeter:
    """A meter of a torch device, counting from now."""
    return CudaMemory(device) if device.partition(":")[0] == "cuda" else ProcessMemory()


def _hand_back() -> None:
    """Give freed memory back to the system where the C library can."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library than glibc
        return


def _reset_peak(proc: Path) -> bool:
    try:
        (proc / "clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def _status(proc: Path, name: str) -> int | None:
    """A size in bytes of `/proc/self/status`."""
    try:
        lines = (proc / "status").read_text(encoding="ascii", errors="replace").splitlines()
        line = next(line for line in lines if line.startswith(f"{name}:"))
        return int(line.split()[1]) * _BYTES_PER_KIB
    except (OSError, ValueError, IndexError, StopIteration):
        return None
