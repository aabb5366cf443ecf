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
    "compensation",
    "evaluation_cost",
)
#: Benchmarks with a command line and tables of their own, by the module that has their `main`.
PROGRAMS: Final = {
    "study_of_studies": "benchmarks.study_of_studies.command",
    "recovered": "benchmarks.study_of_studies.recovered",
    "search": "benchmarks.search.command",
    "chaos": "benchmarks.chaos.command",
    "fuzz": "benchmarks.fuzz.command",
    "load": "benchmarks.load.command",
    "filled_study": "benchmarks.filled_study",
    "latency_noise": "benchmarks.latency_noise",
    "latency_prediction": "benchmarks.latency_prediction",
    "scale_storage": "benchmarks.scale_storage",
    "seeds": "benchmarks.seeds",
    "shared_prefixes": "benchmarks.shared_prefixes",
    "utilisation": "benchmarks.utilisation",
}


def rows_of(name: str, *, quick: bool) -> list[Row]:
    """Run one benchmark in this process."""
    rows: list[Row] = import_module(f"benchmarks.{name}").run(quick=quick)
    return rows


def run_program(name: str, arguments: list[str]) -> None:
    """Run a benchmark that has its own command line in this process."""
    import_module(PROGRAMS[name]).main(arguments)
