"""Measure the search: compute the cells that the folder lacks, then print one table of all that are done."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch

import nas
from benchmarks.assets import CACHE
from benchmarks.machine import describe_machine
from benchmarks.search import ask_tell, end_to_end, racing, searchers, stops
from benchmarks.search.figures import HEADER, Figure
from benchmarks.search.journal import Cells, Journal, Record, commit_now
from benchmarks.search.minilm import real_minilm
from benchmarks.search.settings import EFFORTS, Settings
from benchmarks.study_of_studies.table import table
from benchmarks.study_of_studies.tasks import DATA


@dataclass(frozen=True, slots=True)
class Part:
    """What is computed, and how it is shown."""

    cells: Callable[[Settings], Cells]
    figures: Callable[[Sequence[Record]], list[Figure]]


PARTS: Final[dict[str, tuple[Part, ...]]] = {
    racing.PART: (Part(racing.cells, racing.figures),),
    stops.PART: (Part(stops.cells, stops.figures),),
    searchers.PART: (Part(searchers.cells, searchers.figures),),
    end_to_end.OVERHEAD: (
        Part(end_to_end.overhead_cells, end_to_end.overhead_figures),
        Part(ask_tell.cells, ask_tell.figures),
    ),
    end_to_end.PART: (Part(end_to_end.cells, end_to_end.figures),),
}


def main(arguments: list[str]) -> None:
    """Compute what is missing and print the table."""
    given = _parser().parse_args(arguments)
    settings, names = settings_of(given), given.part or list(PARTS)
    journal = Journal(settings.folder, settings.kind)
    limit = None if given.minutes is None else time.monotonic() + 60 * given.minutes
    for name in names:
        compute_missing(name, settings, journal, limit)
    print(shown(names, settings, journal))


def compute_missing(name: str, settings: Settings, journal: Journal, limit: float | None) -> None:
    """Compute the cells of a part that the journal lacks; none is begun after the limit.

    One that cannot be computed here, e.g. for want of a quiet machine or a peer, is told and left missing.
    """
    for part in PARTS[name]:
        cells = part.cells(settings)
        for cell in journal.missing(cells):
            if limit is not None and time.monotonic() >= limit:
                return
            print(f"{cell} …", file=sys.stderr, flush=True)
            try:
                journal.compute(cell, cells)
            except (nas.NasError, subprocess.CalledProcessError) as error:
                print(f"{cell} failed: {error}", file=sys.stderr, flush=True)


def shown(names: Sequence[str], settings: Settings, journal: Journal) -> str:
    """The table of the parts, below the machine and the commits."""
    rows, lacking = [], 0
    for part in (part for name in names for part in PARTS[name]):
        cells = part.cells(settings)
        lacking += len(journal.missing(cells))
        rows += [f.cells(is_judged=settings.kind != "tiny") for f in part.figures(journal.of(cells))]
    commits = ", ".join(f"`{commit}`" for commit in journal.commits) or "none"
    lines = [
        f"{describe_machine(torch.get_num_threads())}.",
        f"Cells computed at commit {commits}; table printed at `{commit_now()}`; {lacking} cells missing.",
        "",
        table(HEADER, rows),
    ]
    return "\n".join(lines)


def settings_of(given: argparse.Namespace) -> Settings:
    """Settings of the command line.

    Raises:
        ConfigError: no seed.
    """
    if given.seeds < 1:
        raise nas.ConfigError(f"--seeds is {given.seeds}; give at least 1")
    kind = "tiny" if given.quick else "short" if given.short else "full"
    folder = given.folder or Path("search-benchmarks") / kind
    return Settings(
        folder=folder,
        effort=EFFORTS[kind],
        kind=kind,
        seeds=given.seeds,
        real=partial(real_minilm, folder, given.data, given.cache, given.supernet),
        peer_python=given.peer_python,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks search", description=__doc__)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="may be repeated; default all")
    parser.add_argument("--seeds", type=int, default=5, help="so many, from 0 (default 5)")
    parser.add_argument("--short", action="store_true", help="fewer candidates")
    parser.add_argument("--quick", action="store_true", help="smallest sizes: shows that it runs, no more")
    parser.add_argument("--minutes", type=float, help="begin no cell after that; call again to go on")
    parser.add_argument("--folder", type=Path, help="run again to resume; default search-benchmarks/KIND")
    parser.add_argument("--peer-python", help="a Python that has whittle; without it whittle is left out")
    parser.add_argument("--supernet", type=Path, help="trained MiniLM; default: one is trained in the folder")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of sst2/")
    parser.add_argument("--cache", type=Path, default=CACHE, help="of assets; default ~/.cache/subnas")
    return parser
