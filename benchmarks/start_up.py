"""Wall time of `nas --help`, the whole process."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import Final

from benchmarks.table import Goal, Row, median_of

_GOAL: Final = Goal("<=", 0.4)
_REPEATS: Final = 25
_COMMAND: Final = (sys.executable, "-c", "from nas.cli import main; main()", "--help")


def run(*, quick: bool) -> list[Row]:
    _run_once()  # fills the file cache and the compiled modules
    samples = [_run_once() for _ in range(2 if quick else _REPEATS)]
    wall, cpu = [wall for wall, _ in samples], [cpu for _, cpu in samples]
    also = f"fastest {min(wall):.2f} s; CPU {median_of(cpu).estimate:.2f} s; {len(samples)} processes"
    return [Row(case="`nas --help`, wall", figure=median_of(wall), unit="s", goal=_GOAL, also=also)]


def _run_once() -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    cpu_start, start = _cpu_of_children(), time.perf_counter()
    subprocess.run(_COMMAND, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start, _cpu_of_children() - cpu_start


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
