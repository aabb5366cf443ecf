"""Seconds that an account's evaluations took."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Double, case, func, select, type_coerce

from .tables import attempt, study
from .transitions import DRIVER_LOST


def evaluation_seconds(connection: Connection, account: str) -> float:
    """Seconds of all attempts at trials of an account's studies.

    What a worker reported counts; where it reported nothing, the time from dispatch to the end of the
    attempt. Of attempts that still run, and of those whose driver died, it is not known and is left out.
    """
    lasted: ColumnElement[float] = type_coerce(attempt.c.ended_at, Double()) - type_coerce(
        attempt.c.started_at, Double()
    )
    unreported = case((attempt.c.outcome != DRIVER_LOST, lasted), else_=0.0)
    total = func.coalesce(func.sum(func.coalesce(attempt.c.seconds, unreported)), 0.0)
    query = select(total).join_from(attempt, study, study.c.id == attempt.c.study_id)
    return float(connection.execute(query.where(study.c.account == account)).scalar_one())
