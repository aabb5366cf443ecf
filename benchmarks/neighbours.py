"""Processes that do nothing but take the processor, and the one that is measured beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

#: Spins until its parent is gone, so that none outlives the benchmark.
_SPIN: Final = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def busy_neighbours(number: int, cores: Sequence[int]) -> Iterator[None]:
    """So many spinning processes on some cores for the length of the block."""
    command = [sys.executable, "-S", "-c", _SPIN]
    processes = [subprocess.Popen(command) for _ in range(number)]
    try:
        for process in processes:
            os.sched_setaffinity(process.pid, set(cores))
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """This thread on some cores only, for the length of the block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
