"""Compute cells of the study of studies until all are done or time is up, then print tables."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch

import nas
from benchmarks.assets import CACHE, minilm
from benchmarks.machine import describe_machine
from benchmarks.real_runs.run import folder_of, storage_in
from benchmarks.study_of_studies import protocol as protocols
from benchmarks.study_of_studies.cells import Bench, compute, is_computed
from benchmarks.study_of_studies.figures import figures
from benchmarks.study_of_studies.protocol import Cell, Protocol
from benchmarks.study_of_studies.report import report
from benchmarks.study_of_studies.tasks import DATA, TASKS, Files, parts

#: Tasks, importances and strategies of the short version.
_SHORT: Final = (
    ("sst2",),
    ("random", "minitron", "fisher_mask"),
    ("standard", "random", "sandwich_kd"),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a call computes, and where.

    Attributes:
        seconds: after which no cell is begun that would not end in time; None without a limit.
    """

    folder: Path
    data: Path
    cache: Path
    protocol: Protocol
    cells: tuple[Cell, ...]
    seconds: float | None


def main(arguments: list[str]) -> None:
    """Compute what is missing and print the tables."""
    settings = settings_of(_parser().parse_args(arguments))
    print(describe_machine(torch.get_num_threads()), file=sys.stderr)
    source = folder_of(minilm(settings.cache))
    storage = storage_in(settings.folder)
    bench_of = benches(settings.folder, settings.data, source, settings.protocol)
    compute_missing(settings.cells, storage, lambda cell: bench_of(cell.task, cell.seed), settings.seconds)
    found = [one for cell in settings.cells if (one := figures(cell, storage)) is not None]
    print(f"{len(found)} of {len(settings.cells)} cells", file=sys.stderr)
    if found:
        print(report(found))


def compute_missing(
    cells: Sequence[Cell], storage: str, bench_of: Callable[[Cell], Bench], seconds: float | None
) -> int:
    """Compute the cells that the ledger lacks, as many as there is time for; the number computed now."""
    start, durations = time.monotonic(), list[float]()
    for number, cell in enumerate(cells, start=1):
        if is_computed(cell, storage):
            continue
        left = None if seconds is None else seconds - (time.monotonic() - start)
        if left is not None and left < (statistics.median(durations) if durations else 0.0):
            break
        print(f"{number}/{len(cells)} {cell.name}", file=sys.stderr)
        before = time.monotonic()
        compute(cell, bench_of(cell))
        durations.append(time.monotonic() - before)
    return len(durations)


def settings_of(given: argparse.Namespace) -> Settings:
    """Settings of the command line, whose protocol must be the one that the folder was made with.

    Raises:
        ConfigError: an unknown name, or a folder of another protocol.
    """
    kind = "tiny" if given.quick else "short" if given.short else "full"
    protocol = protocols.PROTOCOLS[kind].with_passes(given.passes)
    folder = given.folder or Path("study-of-studies") / kind
    cells = _cells(given, is_whole=kind == "full")
    check_folder(folder, protocol.to_json())
    return Settings(
        folder=folder,
        data=given.data,
        cache=given.cache,
        protocol=protocol,
        cells=cells,
        seconds=None if given.minutes is None else 60 * given.minutes,
    )


def _cells(given: argparse.Namespace, *, is_whole: bool) -> tuple[Cell, ...]:
    importances, strategies = protocols.compared_importances(), protocols.compared_strategies()
    usual = (tuple(TASKS), importances, strategies) if is_whole else _SHORT
    found = protocols.cells(
        _names(given.tasks, tuple(TASKS), usual[0], "task"),
        _names(given.importances, importances, usual[1], "importance"),
        _names(given.strategies, strategies, usual[2], "strategy"),
        range(given.seeds or (3 if is_whole else 1)),
    )
    return tuple(cell for cell in found if cell.is_in_cross or not given.cross)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks study_of_studies", description=__doc__)
    parser.add_argument("--short", action="store_true", help="three importances and strategies on SST-2")
    parser.add_argument("--quick", action="store_true", help="smallest sizes: shows that it runs, no more")
    for name in ("tasks", "importances", "strategies"):
        parser.add_argument(f"--{name}", help="separated by commas; default all")
    parser.add_argument(
        "--cross",
        action="store_true",
        help="every importance with {1} alone, every strategy with {0} alone".format(*protocols.CROSS),
    )
    parser.add_argument("--seeds", type=int, help="so many, from 0")
    parser.add_argument("--passes", type=int, help="of each supernet's training")
    parser.add_argument(
        "--minutes", type=float, help="begin no cell that would end later; call again to go on"
    )
    parser.add_argument("--folder", type=Path, help="run again to resume; default study-of-studies/KIND")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of sst2/ and mrpc/")
    parser.add_argument("--cache", type=Path, default=CACHE, help="of assets; default ~/.cache/subnas")
    return parser


def _names(given: str | None, allowed: Sequence[str], usual: Sequence[str], what: str) -> Sequence[str]:
    if given is None:
        return usual
    names = [name.strip() for name in given.split(",")]
    for name in names:
        if name not in allowed:
            raise nas.ConfigError(f"unknown {what} {name!r}; allowed are {', '.join(allowed)}")
    return names


def check_folder(folder: Path, record: Mapping[str, Any]) -> None:
    """Note what a folder's results are comparable within.

    Raises:
        ConfigError: the folder was made with something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, plain = folder / "protocol.json", json.loads(json.dumps(record))
    if file.exists():
        earlier = json.loads(file.read_text(encoding="utf-8"))
        if earlier != plain:
            raise nas.ConfigError(f"{folder} was made with {earlier}, not {plain}; give another --folder")
    file.write_text(json.dumps(plain) + "\n", encoding="utf-8")


def benches(folder: Path, data: Path, source: Path, protocol: Protocol) -> Callable[[str, int], Bench]:
    """What makes the bench of a task and seed; texts are read once a task, the last bench is kept."""

    @lru_cache(maxsize=len(TASKS))
    def files_of(task: str) -> Files:
        return TASKS[task].read(data)

    @lru_cache(maxsize=1)
    def bench_of(task: str, seed: int) -> Bench:
        labels = files_of(task).train.label_names

        def start() -> nas.Supernet:
            return nas.Supernet.from_pretrained(source, label_names=labels, seed=seed)

        return Bench(
            task=TASKS[task],
            seed=seed,
            parts=parts(TASKS[task], files_of(task), start().tokenizer, protocol.limits),
            protocol=protocol,
            folder=folder / f"{task}-{seed}",
            storage=storage_in(folder),
            start=start,
        )

    return bench_of
