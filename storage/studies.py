"""Studies: made once, read by name, changed by the driver that holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from .account_records import ALL, AllAccounts
from .columns import database_clock
from .errors import StudyExistsError
from .events import EventKind, add_event, add_numbered_event, newest_event
from .failures import is_duplicate
from .job_records import SEARCH_KIND
from .leases import IS_HELD, check_free, fence, lock_study, unknown_study
from .records import Lease, StudyRecord, StudyState, StudyStatus
from .tables import job, sampler_state, study
from .values import json_sha256, storable_message

_SEED_LIMIT = 2**63
_JOINED = "sampler_state"
_COLUMNS = tuple(study.c[field.name] for field in dataclasses.fields(StudyRecord) if field.name != _JOINED)
_STATUS = select(
    study.c.id,
    study.c.name,
    study.c.state,
    study.c.reason,
    study.c.account,
    study.c.created_at,
    study.c.next_number.label("num_trials"),
    IS_HELD.label("is_held"),
    newest_event(study.c.id).label("last_event"),
)
_STATUS_NAMED = _STATUS.where(study.c.name == bindparam("at_name"))


def create_study(
    connection: Connection, name: str, *, spec: Mapping[str, Any], fingerprint: Mapping[str, str], seed: int
) -> StudyRecord:
    """Stores a study in state QUEUED that nobody holds.

    Raises:
        StudyExistsError: the name is taken.
        ValueError: the name is empty, the seed is out of range, or something is not JSON.
    """
    if not name:
        raise ValueError("the name of a study is empty: give it one")
    if not 0 <= seed < _SEED_LIMIT:
        raise ValueError(f"seed {seed}: allowed are 0 to {_SEED_LIMIT - 1}")
    row: dict[str, Any] = {
        "name": name,
        "state": StudyState.QUEUED.value,
        "seed": seed,
        "spec": dict(spec),
        "spec_sha256": json_sha256(dict(spec)),
        "fingerprint": dict(fingerprint),
    }
    row["account"] = _account_of_job(connection, name)
    start = {"epoch": 0, "lease_until_s": 0.0, "next_number": 0, "told_count": 0}
    try:
        connection.execute(insert(study).values(created_at=database_clock(), **row, **start))
    except IntegrityError as error:
        if not is_duplicate(error):
            raise
        raise StudyExistsError(name) from error
    created = read_study(connection, name)
    add_event(connection, created.id, EventKind.STUDY_CREATED, {"name": name, "seed": seed})
    return created


def read_study(connection: Connection, name: str) -> StudyRecord:
    """The study of that name.

    Raises:
        UnknownStudyError: there is none.
    """
    row = connection.execute(_query().where(study.c.name == name)).one_or_none()
    if row is None:
        raise unknown_study(connection, name)
    return _record(row)


def read_studies(connection: Connection, account: str | AllAccounts | None) -> list[StudyRecord]:
    """Studies of an account, or with None those of no account, oldest first."""
    query = _of_account(_query(), account)
    return [_record(row) for row in connection.execute(query)]


def read_status(connection: Connection, name: str) -> StudyStatus:
    """How the study of that name stands.

    Raises:
        UnknownStudyError: there is none.
    """
    row = connection.execute(_STATUS_NAMED, {"at_name": name}).one_or_none()
    if row is None:
        raise unknown_study(connection, name)
    return _status(row)


def read_statuses(connection: Connection, account: str | AllAccounts | None) -> list[StudyStatus]:
    """How studies of an account stand, or with None those of no account, oldest first."""
    query = _of_account(_STATUS, account)
    return [_status(row) for row in connection.execute(query)]


def delete_study(connection: Connection, name: str) -> None:
    """Deletes a study with its trials, attempts and events; quality and latency are shared and stay.

    Raises:
        LeaseHeldError: a driver is at work on it.
        UnknownStudyError: there is none of that name.
    """
    check_free(connection, name)
    if connection.execute(delete(study).where(study.c.name == name)).rowcount == 0:
        raise unknown_study(connection, name)
    add_event(connection, None, EventKind.STUDY_DELETED, {"name": name})


def set_state(connection: Connection, lease: Lease, state: StudyState, reason: str | None) -> None:
    """Writes what the holder of the study says of it; saying the same again changes nothing.

    Raises:
        FencedError: the lease is over.
    """
    fence(connection, lease)
    kept = None if reason is None else storable_message(reason)
    is_other = or_(study.c.state != state.value, study.c.reason.is_distinct_from(kept))
    change = update(study).where(study.c.id == lease.study_id, is_other)
    if connection.execute(change.values(state=state.value, reason=kept)).rowcount == 0:
        return
    add_event(connection, lease.study_id, EventKind.STATE_CHANGED, {"state": state.value, "reason": kept})


def log_event(connection: Connection, study_id: int | None, kind: str, payload: Mapping[str, Any]) -> int:
    """Appends a line to the log of a study, or of the database when `study_id` is None.

    Raises:
        UnknownStudyError: there is no such study.
        ValueError: the kind is empty.
    """
    if not kind:
        raise ValueError("the kind of an event is empty: name what happened")
    if study_id is not None:
        lock_study(connection, study_id)
    return add_numbered_event(connection, study_id, kind, payload)


def _account_of_job(connection: Connection, name: str) -> str | None:
    """Account of the newest search job of that name.

    The job stays locked: who writes its next line of the log then sees the study and locks that, too, so
    that the lines of both become visible in their order.
    """
    is_wanted = (job.c.study == name, job.c.kind == SEARCH_KIND)
    newest = select(job.c.account).where(*is_wanted).order_by(job.c.id.desc()).limit(1)
    return connection.execute(newest.with_for_update()).scalar_one_or_none()


def _of_account(query: Select[Any], account: str | AllAccounts | None) -> Select[Any]:
    ordered = query.order_by(study.c.id)
    return ordered if account is ALL else ordered.where(study.c.account.is_not_distinct_from(account))


def _query() -> Select[Any]:
    joined = study.outerjoin(sampler_state, sampler_state.c.study_id == study.c.id)
    return select(*_COLUMNS, sampler_state.c.state.label(_JOINED)).select_from(joined)


def _record(row: Row[Any]) -> StudyRecord:
    values = dict(row._mapping)
    values["state"] = StudyState(values["state"])
    values[_JOINED] = values[_JOINED] or {}
    return StudyRecord(**values)


def _status(row: Row[Any]) -> StudyStatus:
    values = dict(row._mapping)
    values["state"] = StudyState(values["state"])
    values["is_held"] = bool(values["is_held"])
    values["last_event"] = values["last_event"] or 0
    return StudyStatus(**values)
