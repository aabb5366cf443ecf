"""Run benchmarks and print one table."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.machine import describe_machine
from benchmarks.registry import NAMES, PROGRAMS, rows_of, run_program
from benchmarks.table import HEADER, line


def main(arguments: list[str]) -> None:
    """Run the benchmarks named, or all, each in a process of its own; a missed goal is no failure."""
    if arguments and arguments[0] in PROGRAMS:
        run_program(arguments[0], arguments[1:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(NAMES)}; all if none. {', '.join(PROGRAMS)} take --help",
    )
    parser.add_argument("--quick", action="store_true", help="smallest settings: shows that it runs, no more")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in NAMES]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; allowed are {', '.join(NAMES)}")
    print(describe_machine(), file=sys.stderr)
    print(HEADER, flush=True)
    for name in given.names or NAMES:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            rows = process.submit(rows_of, name, quick=given.quick).result()
        for row in rows:
            command = _command(name, quick=given.quick)
            print(line(row, command=command, judged=not given.quick), flush=True)


def _command(name: str, *, quick: bool) -> str:
    return f"python -m benchmarks {name}" + (" --quick" if quick else "")


if __name__ == "__main__":
    main(sys.argv[1:])
