"""Recovered sub-networks: what their training cost, what it changed, and the file of their weights."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects import postgresql, sqlite

from .columns import database_clock
from .events import EventKind, add_event
from .leases import lock_study
from .records import RECOVERY_KINDS, RecoveryRecord
from .tables import recovery
from .trials import read_trial
from .values import finite_metrics

_COLUMNS: Final = tuple(recovery.c[field.name] for field in dataclasses.fields(RecoveryRecord))
_IDENTITY: Final = ("study_id", "kind", "key", "recipe_sha256")


def checked_recovery(record: RecoveryRecord) -> RecoveryRecord:
    """The record with finite floats.

    Raises:
        ValueError: a number is not finite or negative, or the kind is unknown.
    """
    if record.kind not in RECOVERY_KINDS:
        raise ValueError(f"recovery of kind {record.kind!r}, allowed are {', '.join(RECOVERY_KINDS)}")
    if min(record.passes, record.examples, record.seconds) < 0:
        raise ValueError("passes, examples and seconds of a recovery: allowed are 0 and more")
    return dataclasses.replace(
        record,
        metrics_before=finite_metrics(record.metrics_before),
        metrics_after=finite_metrics(record.metrics_after),
        seconds=finite_metrics({"seconds": record.seconds})["seconds"],
    )


def put_recovery(connection: Connection, record: RecoveryRecord) -> None:
    """Stores a checked record; it takes the place of an older one of the same recipe. Equal ones are one.

    Raises:
        UnknownStudyError: there is no such study.
        UnknownTrialError: the study has no such trial.
    """
    lock_study(connection, record.study_id)
    read_trial(connection, record.study_id, record.trial)
    known = read_recovery(connection, record.study_id, record.kind, record.key, record.recipe_sha256)
    if known is not None and known == dataclasses.replace(record, created_at=known.created_at):
        return
    row = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    row |= {
        "config": dict(record.config),
        "recipe": dict(record.recipe),
        "metrics_before": dict(record.metrics_before),
        "metrics_after": dict(record.metrics_after),
        "created_at": database_clock(),
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(recovery).values(**row)
    facts = {name: statement.excluded[name] for name in row if name not in _IDENTITY}
    connection.execute(statement.on_conflict_do_update(index_elements=_IDENTITY, set_=facts))
    payload = {"kind": record.kind, "trial": record.trial, "key": record.key, "passes": record.passes}
    add_event(connection, record.study_id, EventKind.SUBNET_RECOVERED, payload)


def read_recovery(
    connection: Connection, study_id: int, kind: str, key: str, recipe_sha256: str
) -> RecoveryRecord | None:
    """The recovery of a sub-network by a recipe, None if there was none."""
    query = select(*_COLUMNS).where(
        recovery.c.study_id == study_id,
        recovery.c.kind == kind,
        recovery.c.key == key,
        recovery.c.recipe_sha256 == recipe_sha256,
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _record(row)


def read_recoveries(connection: Connection, study_id: int) -> list[RecoveryRecord]:
    """All recoveries of a study, oldest first."""
    query = select(*_COLUMNS).where(recovery.c.study_id == study_id)
    return [_record(row) for row in connection.execute(query.order_by(recovery.c.created_at, recovery.c.id))]


def _record(row: Row[Any]) -> RecoveryRecord:
    return RecoveryRecord(**row._mapping)
