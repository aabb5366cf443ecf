"""The benchmarks by name."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from benchmarks.table import Row

NAMES: Final = (
    "forward",
    "activation",
    "extraction",
    "masking",
    "ask_tell",
    "start_up",
    "training_step",
    "memory",
)


def rows_of(name: str, *, quick: bool) -> list[Row]:
    """Run one benchmark in this process."""
    rows: list[Row] = import_module(f"benchmarks.{name}").run(quick=quick)
    return rows
