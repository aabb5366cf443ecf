"""How much others competed for the processor; every source may be missing."""

from __future__ import annotations

from pathlib import Path

_PRESSURE = Path("/proc/pressure/cpu")
_THREADS = Path("/proc/self/task")


def pressure_us() -> int | None:
    """Return for how many microseconds, ever, some task of the machine waited for a processor.

    Source: Linux, Documentation/accounting/psi.rst.
    """
    try:
        some = _PRESSURE.read_text(encoding="ascii").splitlines()[0]
        return int(some.rpartition("total=")[2])
    except (OSError, ValueError, IndexError):
        return None


def run_delay_ns() -> int | None:
    """Return how long the threads of this process, taken together, were ready but had no processor.

    Source: Linux, Documentation/scheduler/sched-stats.rst, `/proc/<pid>/schedstat`, second field.
    """
    try:
        threads = list(_THREADS.iterdir())
    except OSError:
        return None
    delays = [delay for delay in map(_run_delay_of, threads) if delay is not None]
    return sum(delays) if delays else None


def _run_delay_of(thread: Path) -> int | None:
    try:
        return int((thread / "schedstat").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
