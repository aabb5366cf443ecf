"""The append-only log: every change of state adds a line in its own transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, insert, select

from .columns import database_clock
from .records import EventRecord
from .tables import event

# Built once: building a statement takes longer than running it.
_ADD_EVENT = insert(event).values(at=database_clock())
_ADD_AND_TELL_ID = _ADD_EVENT.returning(event.c.id)
_ADD_SILENTLY = _ADD_EVENT.inline()  # else SQLAlchemy asks for the id all the same


class EventKind(StrEnum):
    """Kinds that the ledger writes itself; callers of add_event may use any other."""

    STUDY_CREATED = "study_created"
    STUDY_DELETED = "study_deleted"
    LEASE_ACQUIRED = "lease_acquired"
    LEASE_RELEASED = "lease_released"
    STATE_CHANGED = "state_changed"
    TRIALS_PROPOSED = "trials_proposed"
    TRIAL_DISPATCHED = "trial_dispatched"
    TRIAL_COMPLETED = "trial_completed"
    TRIAL_CONFLICT = "trial_conflict"
    TRIAL_FAILED = "trial_failed"
    TRIAL_PAUSED = "trial_paused"
    TRIALS_REQUEUED = "trials_requeued"
    SUBNET_RECOVERED = "subnet_recovered"
    JOB_CREATED = "job_created"
    JOB_REQUESTED = "job_requested"
    JOB_EDITED = "job_edited"
    JOB_CLAIMED = "job_claimed"
    JOB_RELEASED = "job_released"
    JOB_STATE_CHANGED = "job_state_changed"
    EXPORT_STORED = "export_stored"
    TOKEN_CREATED = "token_created"  # noqa: S105  # the name of an event
    TOKEN_REVOKED = "token_revoked"  # noqa: S105  # the same
    TARGET_STORED = "target_stored"
    TARGET_DELETED = "target_deleted"


def add_event(
    connection: Connection,
    study_id: int | None,
    kind: str,
    payload: Mapping[str, Any],
    *,
    job_id: int | None = None,
) -> None:
    """Appends a line.

    Whoever writes one of a study holds the lock of that study's row, so that ids of a study become
    visible in their order and a reader that asks for those after the last it saw misses none.
    """
    connection.execute(_ADD_SILENTLY, _row(study_id, kind, payload, job_id))


def add_numbered_event(
    connection: Connection, study_id: int | None, kind: str, payload: Mapping[str, Any]
) -> int:
    """As `add_event`; returns the id of the line."""
    return int(connection.execute(_ADD_AND_TELL_ID, _row(study_id, kind, payload, None)).scalar_one())


def read_events(
    connection: Connection, study_id: int | None, *, after: int, limit: int, kind: str | None = None
) -> list[EventRecord]:
    """Lines with an id above `after`, oldest first; of every study, or kind, where that is None."""
    query = select(event).where(event.c.id > after).order_by(event.c.id).limit(limit)
    if study_id is not None:
        query = query.where(event.c.study_id == study_id)
    if kind is not None:
        query = query.where(event.c.kind == kind)
    return [EventRecord(**row) for row in connection.execute(query).mappings()]


def read_newest_events(
    connection: Connection, study_id: int, *, limit: int, kinds: Collection[str] | None = None
) -> list[EventRecord]:
    """The last lines of a study, oldest first; of every kind unless kinds are given."""
    query = select(event).where(event.c.study_id == study_id).order_by(event.c.id.desc()).limit(limit)
    if kinds is not None:
        query = query.where(event.c.kind.in_(sorted(kinds)))
    return [EventRecord(**row) for row in connection.execute(query).mappings()][::-1]


def last_event_id(connection: Connection, study_id: int) -> int:
    """Id of the newest line of a study; 0 without one."""
    return int(connection.execute(select(newest_event(study_id))).scalar_one() or 0)


def newest_event(study_id: int | ColumnElement[int]) -> ScalarSelect[int]:
    """Id of the newest line of a study as part of another query; null without one."""
    of_study = select(event.c.id).where(event.c.study_id == study_id)
    return of_study.order_by(event.c.id.desc()).limit(1).scalar_subquery()


def _row(study_id: int | None, kind: str, payload: Mapping[str, Any], job_id: int | None) -> dict[str, Any]:
    return {"study_id": study_id, "job_id": job_id, "kind": str(kind), "payload": dict(payload)}
