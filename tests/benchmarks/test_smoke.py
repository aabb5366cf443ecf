"""Every benchmark at its smallest setting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.registry import NAMES

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_benchmark_prints_a_row_with_its_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"], cwd=ROOT, check=True, capture_output=True, text=True
    )

    commands = {row.rsplit("|", 2)[1].strip() for row in done.stdout.splitlines()[2:]}
    assert commands == {f"`python -m benchmarks {name} --quick`" for name in NAMES}
