"""Asking, recording and telling against Optuna's database: `benchmarks.ask_tell`, as a cell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from benchmarks import ask_tell
from benchmarks.search.figures import Figure, times
from benchmarks.search.journal import Cells, Record
from benchmarks.search.settings import Settings
from benchmarks.table import Goal

_PART: Final = "overhead"


def cells(settings: Settings) -> Cells:
    """One cell: it has studies of 10,000 trials in it."""
    return {f"{_PART}/ask_tell": partial(_cell, is_quick=settings.kind != "full")}


def figures(records: Sequence[Record]) -> list[Figure]:
    """Its ratios with their 95 % intervals."""
    found = []
    for row in (row for record in records for row in record["rows"]):
        goal = None if row["goal"] is None else Goal(row["goal"][0], row["goal"][1])
        low, value, high = row["interval"]
        figure = Figure(
            part=_PART,
            case=row["case"],
            values=[low, value, high],
            shown=times,
            goal=goal,
            centre=value,
            runs=1,
            also=row["also"],
        )
        found.append(figure)
    return found


def _cell(*, is_quick: bool) -> Record:
    rows = [
        {
            "case": row.case,
            "interval": [row.figure.low, row.figure.estimate, row.figure.high],
            "goal": None if row.goal is None else [row.goal.sign, row.goal.bound],
            "also": row.also,
        }
        for row in ask_tell.run(quick=is_quick)
    ]
    return {"part": _PART, "rows": rows}
