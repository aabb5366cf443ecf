"""Run benchmarks and print one table."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import Final

from benchmarks.machine import describe_machine
from benchmarks.table import HEADER, Row, line

NAMES: Final = ("forward", "activation", "extraction", "masking", "ask_tell", "start_up", "training_step")


def main(arguments: list[str]) -> None:
    """Run the benchmarks named, or all, one after another; a missed goal is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all if none")
    parser.add_argument("--quick", action="store_true", help="smallest settings: shows that it runs, no more")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in NAMES]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; allowed are {', '.join(NAMES)}")
    print(describe_machine(), file=sys.stderr)
    print(HEADER, flush=True)
    for name in given.names or NAMES:
        for row in _rows(name, quick=given.quick):
            print(line(row, command=_command(name, quick=given.quick)), flush=True)


def _rows(name: str, *, quick: bool) -> list[Row]:
    rows: list[Row] = import_module(f"benchmarks.{name}").run(quick=quick)
    return rows


def _command(name: str, *, quick: bool) -> str:
    return f"python -m benchmarks {name}" + (" --quick" if quick else "")


if __name__ == "__main__":
    main(sys.argv[1:])
