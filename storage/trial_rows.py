"""Trials without what takes long to read: a plot of twenty thousand needs no configurations."""

from __future__ import annotations

import dataclasses
from typing import Any

from sqlalchemy import Connection, Row, select

from .records import TrialRow
from .tables import trial

_FIELDS = tuple(field.name for field in dataclasses.fields(TrialRow))
_READ = select(*(trial.c[name] for name in _FIELDS))


def read_told_rows(connection: Connection, study_id: int, *, after: int, limit: int) -> list[TrialRow]:
    """Trials that became final later than the one told in order `after`, in that order."""
    is_wanted = (trial.c.study_id == study_id, trial.c.told_order > after)
    query = _READ.where(*is_wanted).order_by(trial.c.told_order).limit(limit)
    return [_record(row) for row in connection.execute(query)]


def read_open_rows(connection: Connection, study_id: int) -> list[TrialRow]:
    """Trials that are not final, by number."""
    is_wanted = (trial.c.study_id == study_id, trial.c.told_order.is_(None))
    return [_record(row) for row in connection.execute(_READ.where(*is_wanted).order_by(trial.c.number))]


def _record(row: Row[Any]) -> TrialRow:
    return TrialRow(**dict(zip(_FIELDS, row, strict=True)))
