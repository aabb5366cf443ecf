"""A study of 100,000 trials in SQLite and PostgreSQL: resume, ask, front and writes, beside Optuna's RDB.

Cells run one after the other, each in a process of its own; what the folder holds is not measured again.
CPU time is that of the measuring thread, a PostgreSQL server's not included.
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
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy

from benchmarks import scale_cells as cells
from benchmarks.machine import describe_machine
from benchmarks.scale_cells import Figures
from benchmarks.table import Goal

OUR_SAMPLERS: Final = ("evolution", "nsga2")
OPTUNAS_SAMPLER: Final = "nsga2"
_GIGABYTE: Final = 1e9
_MOST_FOR_NSGA2: Final = 15_000
_WRITES: Final = {"sqlite": Goal(">=", 80.0), "postgresql": Goal(">=", 50.0)}
_HEADER: Final = (
    "| backend | case | ours | CPU | goal | met | Optuna's RDB storage |\n|---|---|---|---|---|---|---|"
)
_Cell = TypeVar("_Cell")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table; `ours` and `optuna` in `unit`, None where it was not measured."""

    case: str
    ours: float
    unit: str
    cpu_s: float | None = None
    goal: Goal | None = None
    optuna: float | None = None


class Bench:
    """Measures cells of one backend, and remembers what it measured in a file."""

    def __init__(self, folder: Path, backend: str, postgres: str) -> None:
        self._folder, self._backend, self._postgres = folder, backend, postgres
        self._file = folder / f"{backend}.json"
        self._known: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def measure(self, name: str, cell: Callable[[str], _Cell], trials: int) -> _Cell:
        """What a cell finds on the study of so many trials."""
        label = f"{name} {trials}"
        if label not in self._known:
            print(f"{self._backend}: {label}", file=sys.stderr, flush=True)
            url = self._url(f"{'optuna' if name.startswith('optuna') else 'ours'}_{trials}")
            with ProcessPoolExecutor(1, mp_context=_prepared()) as process:
                self._known[label] = process.submit(cell, url).result()
            self._file.write_text(json.dumps(self._known, indent=1))
        found: _Cell = self._known[label]
        return found

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


def _prepared() -> ForkServerContext:
    """Processes that need not import everything anew, and have opened nothing."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.scale_cells"])
    return context


def _lines(bench: Bench, backend: str, given: argparse.Namespace) -> list[Line]:
    trials = given.trials
    bench.measure("fill", partial(cells.fill, trials=trials), trials)
    theirs = _of_optuna(bench, given.optuna_trials) if given.optuna_trials else {}
    lines = []
    for name in _samplers_for(trials):
        found = bench.measure(f"resume {name}", partial(cells.resume, sampler=name), trials)
        lines += _of_sampler(name, found, theirs if name == OPTUNAS_SAMPLER else {})
    history = bench.measure("history", cells.history, trials)
    return [
        *lines,
        _time_line("read every trial", history),
        Line(case="… peak memory", ours=history["bytes"] / _GIGABYTE, unit="GB"),
        *_of_fronts(bench, trials, theirs),
        *_of_writes(bench, backend, trials, theirs),
    ]


def _samplers_for(trials: int) -> list[str]:
    """Optuna's NSGA-II walks back through all generations, one call in another, where its notes are missing.

    A real study has them; the filled one has not, so that it cannot be asked with more than some hundred.
    """
    return [name for name in OUR_SAMPLERS if name != "nsga2" or trials <= _MOST_FOR_NSGA2]


def _of_optuna(bench: Bench, trials: int) -> dict[str, Figures]:
    """Figures of Optuna's by what they are of."""
    bench.measure("optuna fill", partial(cells.optuna_fill, trials=trials), trials)
    read = partial(cells.optuna_resume, sampler=OPTUNAS_SAMPLER)
    found = bench.measure(f"optuna resume {OPTUNAS_SAMPLER}", read, trials)
    return {**found, "front": bench.measure("optuna front", cells.optuna_front, trials)}


def _of_sampler(name: str, found: dict[str, Figures], theirs: dict[str, Figures]) -> list[Line]:
    resume, ask = found["resume"], found["ask"]
    return [
        _time_line(f"resume, {name}", resume, Goal("<=", 60.0), _of(theirs, "resume", "seconds")),
        Line(
            case="… peak memory",
            ours=resume["bytes"] / _GIGABYTE,
            unit="GB",
            goal=Goal("<=", 1.0),
            optuna=None if not theirs else theirs["resume"]["bytes"] / _GIGABYTE,
        ),
        _time_line(f"ask, {name}, p95 of {cells.ASKS}", ask, Goal("<=", 0.5), _of(theirs, "ask", "seconds")),
    ]


def _of_fronts(bench: Bench, trials: int, theirs: dict[str, Figures]) -> list[Line]:
    found = bench.measure("front", cells.front, trials)
    columns = bench.measure("front of columns", cells.front_of_columns, trials)
    goal = Goal("<=", 0.3)
    later = f"… after each of {cells.LOOKS} more trials, p95"
    return [
        _time_line(f"`best_trials`, {found['first']['size']:g} of them, first look", found["first"]),
        _time_line(later, found["next"], goal, _of(theirs, "front", "seconds")),
        _time_line(f"their numbers from `Ledger.results`, p95 of {cells.LOOKS}", columns, goal),
    ]


def _of_writes(bench: Bench, backend: str, trials: int, theirs: dict[str, Figures]) -> list[Line]:
    found = bench.measure("writes", cells.writes, trials)
    return [
        Line(
            case="durable propose + complete",
            ours=found["per_second"],
            unit="/s",
            goal=_WRITES[backend],
            optuna=_of(theirs, "resume", "per_second"),
        ),
        Line(case="… with dispatch", ours=found["with_dispatch"], unit="/s"),
    ]


def _time_line(case: str, figures: Figures, goal: Goal | None = None, optuna: float | None = None) -> Line:
    return Line(case=case, ours=figures["seconds"], cpu_s=figures["cpu"], unit="s", goal=goal, optuna=optuna)


def _of(theirs: dict[str, Figures], cell: str, figure: str) -> float | None:
    return theirs[cell][figure] if theirs else None


def _shown(line: Line, backend: str) -> str:
    goal = "" if line.goal is None else f"{line.goal.sign} {line.goal.bound:g} {line.unit}"
    met = "" if line.goal is None else ("yes" if line.goal.is_met(line.ours) else "**no**")
    optuna = "" if line.optuna is None else f"{line.optuna:.3g} {line.unit}"
    cpu = "" if line.cpu_s is None else f"{line.cpu_s:.3g} s"
    ours = f"{line.ours:.3g} {line.unit}"
    return f"| {backend} | {line.case} | {ours} | {cpu} | {goal} | {met} | {optuna} |"


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
        help="URL of a database to make schemas in; NAS_TEST_POSTGRES_URL by default, else SQLite only",
    )
    given = parser.parse_args(arguments)
    if given.trials < 1:
        parser.error(f"--trials {given.trials}: allowed are 1 and more")
    if given.optuna_trials is None:
        given.optuna_trials = given.trials // 10
    return given
