"""A study of 100,000 trials in SQLite and PostgreSQL: resuming, asking, the front and writing, beside Optuna's RDB.

Cells run one after the other, each in a process of its own; what a folder holds already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import sqlalchemy

from benchmarks import scale_cells
from benchmarks.machine import describe_machine
from benchmarks.scale_cells import Figures
from benchmarks.table import Goal

OUR_SAMPLERS: Final = ("evolution", "nsga2")
OPTUNAS_SAMPLER: Final = "nsga2"
_GIGABYTE: Final = 1e9
_WRITES: Final = {"sqlite": Goal(">=", 80.0), "postgresql": Goal(">=", 50.0)}
_HEADER: Final = "| backend | case | ours | goal | met | Optuna's RDB storage |\n|---|---|---|---|---|---|"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table; `ours` and `optuna` in `unit`, None where it was not measured."""

    case: str
    ours: float
    unit: str
    goal: Goal | None = None
    optuna: float | None = None


class Bench:
    """Measures cells of one backend, and remembers what it measured in a file."""

    def __init__(self, folder: Path, backend: str, postgres: str) -> None:
        self._folder, self._backend, self._postgres = folder, backend, postgres
        self._file = folder / f"{backend}.json"
        self._known: dict[str, Figures] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def measure(self, name: str, cell: Callable[[str], Figures], trials: int) -> Figures:
        """Figures of a cell on the study of so many trials."""
        label = f"{name} {trials}"
        if label not in self._known:
            print(f"{self._backend}: {label}", file=sys.stderr, flush=True)
            url = self._url(f"{'optuna' if name.startswith('optuna') else 'ours'}_{trials}")
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                self._known[label] = process.submit(cell, url).result()
            self._file.write_text(json.dumps(self._known, indent=1))
        return self._known[label]

    def _url(self, name: str) -> str:
        if self._backend == "sqlite":
            return f"sqlite:///{self._folder / name}.db"
        engine = sqlalchemy.create_engine(self._postgres)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {name}")
        engine.dispose()
        url = sqlalchemy.make_url(self._postgres)
        return url.update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(False)


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    given = _parsed(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    print(describe_machine(), file=sys.stderr)
    backends = ["sqlite", "postgresql"] if given.postgres else ["sqlite"]
    print(f"{given.trials} trials of ours, {given.optuna_trials} of Optuna's; {' '.join(sys.argv[1:])}\n")
    print(_HEADER, flush=True)
    for backend in backends:
        for one in _lines(Bench(given.folder, backend, given.postgres), backend, given):
            print(_shown(one, backend), flush=True)


def _lines(bench: Bench, backend: str, given: argparse.Namespace) -> list[Line]:
    cells, trials = scale_cells, given.trials
    bench.measure("fill", partial(cells.fill, trials=trials), trials)
    theirs: dict[str, Figures] = {}
    if given.optuna_trials:
        count = given.optuna_trials
        bench.measure("optuna fill", partial(cells.optuna_fill, trials=count), count)
        read = partial(cells.optuna_resume, sampler=OPTUNAS_SAMPLER)
        theirs = {
            "resume": bench.measure(f"optuna resume {OPTUNAS_SAMPLER}", read, count),
            "front": bench.measure("optuna front", cells.optuna_front, count),
        }
    resumed = {
        name: bench.measure(f"resume {name}", partial(cells.resume, sampler=name), trials)
        for name in OUR_SAMPLERS
    }
    read = bench.measure("history", cells.history, trials)
    front = bench.measure("front", cells.front, trials)
    writes = bench.measure("writes", cells.writes, trials)
    return [
        Line(case="read every trial", ours=read["seconds"], unit="s"),
        Line(case="… peak memory", ours=read["bytes"] / _GIGABYTE, unit="GB"),
        *(line for name in OUR_SAMPLERS for line in _of_sampler(name, resumed[name], theirs)),
        Line(
            case=f"front of {front['size']:g}, p95 of {cells.FRONTS}",
            ours=front["seconds"],
            unit="s",
            goal=Goal("<=", 0.3),
            optuna=_of(theirs, "front", "seconds"),
        ),
        Line(
            case="durable propose + complete",
            ours=writes["per_second"],
            unit="/s",
            goal=_WRITES[backend],
            optuna=_of(theirs, "resume", "per_second"),
        ),
        Line(case="… with dispatch", ours=writes["with_dispatch"], unit="/s"),
    ]


def _of_sampler(name: str, figures: Figures, theirs: dict[str, Figures]) -> list[Line]:
    """A sampler's lines; Optuna's figures stand beside those of the sampler that both have."""
    beside = theirs if name == OPTUNAS_SAMPLER else {}
    return [
        Line(
            case=f"resume, {name}",
            ours=figures["seconds"],
            unit="s",
            goal=Goal("<=", 60.0),
            optuna=_of(beside, "resume", "seconds"),
        ),
        Line(
            case="… peak memory",
            ours=figures["bytes"] / _GIGABYTE,
            unit="GB",
            goal=Goal("<=", 1.0),
            optuna=None if not beside else beside["resume"]["bytes"] / _GIGABYTE,
        ),
        Line(
            case=f"ask, {name}, p95 of {scale_cells.ASKS}",
            ours=figures["ask"],
            unit="s",
            goal=Goal("<=", 0.5),
            optuna=_of(beside, "resume", "ask"),
        ),
    ]


def _of(theirs: dict[str, Figures], cell: str, figure: str) -> float | None:
    return theirs[cell][figure] if theirs else None


def _shown(line: Line, backend: str) -> str:
    goal = "" if line.goal is None else f"{line.goal.sign} {line.goal.bound:g} {line.unit}"
    met = "" if line.goal is None else ("yes" if line.goal.is_met(line.ours) else "**no**")
    optuna = "" if line.optuna is None else f"{line.optuna:.3g} {line.unit}"
    return f"| {backend} | {line.case} | {line.ours:.3g} {line.unit} | {goal} | {met} | {optuna} |"


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale_storage", description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000, help="trials of our study")
    parser.add_argument(
        "--optuna-trials",
        type=int,
        help="trials of Optuna's; by default a tenth, as filling its tables takes hours; 0 leaves it out",
    )
    parser.add_argument("--folder", type=Path, default=Path("scale"), help="of SQLite files and of figures")
    parser.add_argument(
        "--postgres",
        default=os.environ.get("NAS_TEST_POSTGRES_URL", ""),
        help="URL of a database to make schemas in; NAS_TEST_POSTGRES_URL by default, without one SQLite only",
    )
    given = parser.parse_args(arguments)
    if given.trials < 1:
        parser.error(f"--trials {given.trials}: allowed are 1 and more")
    if given.optuna_trials is None:
        given.optuna_trials = given.trials // 10
    return given
