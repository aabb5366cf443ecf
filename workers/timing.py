"""Stop-watches for a forward pass on a processor or a GPU."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from workers.contention import run_delay_ns


class Timing(NamedTuple):
    """What some calls took together; `cpu_ns` is 0 on a device that has no such clock."""

    wall_ns: float
    cpu_ns: float


class Timer(Protocol):
    """Times calls on one device."""

    @property
    def is_one_thread(self) -> bool:
        """Whether work is one processor thread's: its CPU time is what wall time would be without others."""
        ...

    def now_ns(self) -> int:
        """Return monotonic wall time."""
        ...

    def time(self, function: Callable[[], object], calls: int) -> Timing:
        """Call the function `calls` times in a row and return the time of all calls."""
        ...

    def waited_ns(self) -> int | None:
        """Return how long this process, ever, was held up by others, or None when that is not known."""
        ...

    def cpu_share(self, total: Timing, waited_ns: int | None) -> float | None:
        """Return the share of the processor time wanted that was obtained, or None without a CPU clock."""
        ...


@dataclass(frozen=True, kw_only=True)
class CpuTimer:
    """Wall time and CPU time of work on the processor.

    With one thread CPU time is that of the calling thread, and the share obtained is CPU time per wall time.
    With more it is that of the process; threads then also wait for each other, so the share is CPU time per
    CPU time and time spent ready without a processor, where Linux reports the latter.
    """

    threads: int = 1
    wall: Callable[[], int] = time.perf_counter_ns
    cpu: Callable[[], int] | None = None
    waited: Callable[[], int | None] = run_delay_ns

    @property
    def is_one_thread(self) -> bool:
        """See `Timer.is_one_thread`."""
        return self.threads == 1

    def now_ns(self) -> int:
        """See `Timer.now_ns`."""
        return self.wall()

    def time(self, function: Callable[[], object], calls: int) -> Timing:
        """See `Timer.time`."""
        cpu = self.cpu or (time.thread_time_ns if self.threads == 1 else time.process_time_ns)
        wall_start, cpu_start = self.wall(), cpu()
        for _ in range(calls):
            function()
        return Timing(cpu_ns=cpu() - cpu_start, wall_ns=self.wall() - wall_start)

    def waited_ns(self) -> int | None:
        """See `Timer.waited_ns`."""
        return self.waited() if self.threads > 1 else None

    def cpu_share(self, total: Timing, waited_ns: int | None) -> float | None:
        """See `Timer.cpu_share`."""
        if waited_ns is not None and total.cpu_ns > 0:
            return total.cpu_ns / (total.cpu_ns + waited_ns)
        return total.cpu_ns / total.wall_ns / self.threads if total.wall_ns > 0 else None


@dataclass(frozen=True, kw_only=True)
class CudaTimer:
    """Device time of work on one GPU, between two events, after all earlier work has ended.

    Written after torch's documentation of `torch.cuda.Event`; it has not been run on a GPU. The time holds
    gaps in which the GPU waits for the launching thread, as a caller meets them too.
    """

    device: str = "cuda"
    is_one_thread: bool = False

    def now_ns(self) -> int:
        """See `Timer.now_ns`."""
        return time.perf_counter_ns()

    def time(self, function: Callable[[], object], calls: int) -> Timing:
        """See `Timer.time`."""
        import torch

        with torch.cuda.device(self.device):
            event: Any = torch.cuda.Event
            start, end = event(enable_timing=True), event(enable_timing=True)
            torch.cuda.synchronize()
            start.record()
            for _ in range(calls):
                function()
            end.record()
            torch.cuda.synchronize()
            return Timing(wall_ns=start.elapsed_time(end) * 1e6, cpu_ns=0)

    def waited_ns(self) -> None:
        """See `Timer.waited_ns`."""

    def cpu_share(self, total: Timing, waited_ns: int | None) -> None:
        """See `Timer.cpu_share`."""


def timer_for(device: str = "cpu") -> Timer:
    """Return the timer of a torch device, for as many threads as torch uses now."""
    if device.partition(":")[0] == "cuda":
        return CudaTimer(device=device)
    torch = sys.modules.get("torch")
    return CpuTimer(threads=1 if torch is None else torch.get_num_threads())
