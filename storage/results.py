"""Results as columns of numbers: what a front is made of, without the rest of a hundred thousand trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, cast, func, literal, select

from .records import Results, TrialState
from .tables import trial


def read_results(connection: Connection, study_id: int, names: Sequence[str], *, since: int) -> Results:
    """Metrics and costs of DONE trials by name, in the order of telling from `since` on.

    Raises:
        ValueError: a name holds a quotation mark or backslash, which SQLite's paths have no escape for.
    """
    for name in names:
        if '"' in name or "\\" in name:
            raise ValueError(f"metric {name!r}: allowed are names without quotation marks and backslashes")
    is_sqlite = connection.dialect.name == "sqlite"
    columns = [_from_sqlite(name) if is_sqlite else _from_postgresql(name) for name in names]
    query = (
        select(trial.c.told_order, trial.c.number, *columns)
        .where(
            trial.c.study_id == study_id,
            trial.c.told_order >= since,
            trial.c.state == TrialState.DONE,
        )
        .order_by(trial.c.told_order)
    )
    rows = connection.execute(query).all()
    orders, numbers, *values = zip(*rows, strict=True) if rows else ((),) * (len(names) + 2)
    return Results(
        numbers=numbers,
        values=dict(zip(names, values, strict=True)),
        next_order=orders[-1] + 1 if orders else since,
    )


def _from_sqlite(name: str) -> ColumnElement[Any]:
    path = literal(f'$."{name}"')
    extracted = (func.json_extract(column, path) for column in (trial.c.metrics, trial.c.costs))
    return func.coalesce(*extracted, type_=Double())


def _from_postgresql(name: str) -> ColumnElement[Any]:
    extracted = (column.op("->>")(literal(name)) for column in (trial.c.metrics, trial.c.costs))
    return cast(func.coalesce(*extracted), Double())
