"""Proposing, recording and telling a trial of 40 dimensions, against Optuna's own database.

One study runs through the ledger, without any evaluation. Then the very same history is copied into an SQLite
file of Optuna's, which spares it the first trials, and both go on in turn with the same sampler. The storage
part is the time inside the methods of `Ledger` and of `RDBStorage`; handing a trial to a worker, which Optuna
does not record, counts apart.
"""

from __future__ import annotations

import statistics
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import optuna

from benchmarks.stopwatch import Time
from benchmarks.studies import Optunas, Ours, Trial
from benchmarks.table import Goal, Row, median_of, shown

SAMPLERS: Final = ("random", "nsga2", "tpe")
_GOAL: Final = Goal(">=", 20.0)
_FLAT: Final = Goal("<=", 1.2)


def run(*, quick: bool) -> list[Row]:
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials, pairs, many = (30, 3, 60) if quick else (1000, 60, 10_000)
    rows = []
    for sampler, number in (*((name, trials) for name in SAMPLERS), ("random", many)):
        with tempfile.TemporaryDirectory() as folder:
            rows += _compare(sampler, Path(folder), trials=number, pairs=pairs)
    return rows


def _compare(sampler: str, folder: Path, *, trials: int, pairs: int) -> list[Row]:
    ours = _after(trials, sampler, folder)
    flat = _flat_row(f"{sampler}, {trials} trials", ours, folder, pairs=pairs)
    optunas = Optunas(folder, ours)
    in_turn = [(optunas.timed_trial(), ours.timed_trial()) for _ in range(pairs)]
    ours.close()
    optunas.close()
    where = f"{sampler}, {trials} trials"
    return [
        _ratio_row(f"Optuna's RDB ÷ ours, storage part, {where}", _GOAL, in_turn, lambda one: one.storage),
        _ratio_row(
            f"storage part with handing over to a worker, {where}",
            None,
            in_turn,
            lambda one: one.storage + one.dispatch,
        ),
        _ratio_row(f"whole trial, sampler included, {where}", None, in_turn, lambda one: one.whole),
        flat,
    ]


def _after(trials: int, sampler: str, folder: Path) -> Ours:
    ours = Ours(folder, sampler)
    for _ in range(trials):
        ours.one_trial()
    return ours


def _ratio_row(
    case: str, goal: Goal | None, pairs: Sequence[tuple[Trial, Trial]], part: Callable[[Trial], Time]
) -> Row:
    """The first of each pair ÷ the second."""
    first, second = [part(one) for one, _ in pairs], [part(other) for _, other in pairs]
    cpu = median_of([a.cpu / b.cpu for a, b in zip(first, second, strict=True)])
    wall = median_of([a.wall / b.wall for a, b in zip(first, second, strict=True)])
    also = (
        f"wall {shown(wall)}; CPU {_median_cpu_ms(first):.3g} against {_median_cpu_ms(second):.3g} ms "
        f"a trial, {len(pairs)} pairs"
    )
    return Row(case=case, figure=cpu, goal=goal, also=also)


def _flat_row(where: str, old: Ours, folder: Path, *, pairs: int) -> Row:
    """The storage part of a study with many trials ÷ that of a new one, in turn."""
    (folder / "new").mkdir()
    new = Ours(folder / "new", old.spec.sampler)
    in_turn = [(old.timed_trial(), new.timed_trial()) for _ in range(pairs)]
    new.close()
    return _ratio_row(
        f"ours ÷ ours in a new study, storage part, {where}", _FLAT, in_turn, lambda one: one.storage
    )


def _median_cpu_ms(times: Sequence[Time]) -> float:
    return 1000 * statistics.median(one.cpu for one in times)
