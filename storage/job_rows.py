"""Rows of jobs: read, locked, and their changes logged."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, Select, case, select, update

from .columns import database_clock
from .errors import JobStateError, UnknownJobError
from .events import EventKind, add_event
from .job_records import FINAL_JOB_STATES, JobRecord, JobRequest, JobState
from .leases import lock_named_study
from .tables import job

_REMAINING = case((job.c.owner.is_(None), 0.0), else_=job.c.lease_until_s - database_clock())
_COMPUTED = "remaining_s"
_COLUMNS = tuple(job.c[field.name] for field in dataclasses.fields(JobRecord) if field.name != _COMPUTED)

IS_OPEN = job.c.state.not_in([state.value for state in FINAL_JOB_STATES])
"""Whether a job has not ended."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class JobFilter:
    """Which jobs to read; None is no condition.

    Attributes:
        before: only jobs of lower numbers.
        limit: of these, the newest.
    """

    study: str | None = None
    account: str | None = None
    kind: str | None = None
    states: Collection[JobState] | None = None
    before: int | None = None
    limit: int | None = None


def read_job(connection: Connection, job_id: int) -> JobRecord:
    """The job of that number.

    Raises:
        UnknownJobError: there is none.
    """
    row = connection.execute(_query().where(job.c.id == job_id)).one_or_none()
    if row is None:
        raise unknown_job(connection, job_id)
    return _record(row)


def read_jobs(connection: Connection, wanted: JobFilter) -> list[JobRecord]:
    """The newest of the jobs that are wanted, newest last."""
    query = _query().order_by(job.c.id.desc()).limit(wanted.limit)
    for column, value in (
        (job.c.study, wanted.study),
        (job.c.account, wanted.account),
        (job.c.kind, wanted.kind),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.states is not None:
        query = query.where(job.c.state.in_([state.value for state in wanted.states]))
    if wanted.before is not None:
        query = query.where(job.c.id < wanted.before)
    return [_record(row) for row in connection.execute(query)][::-1]


def locked_job(connection: Connection, job_id: int) -> JobRecord:
    """The job, locked against every other writer of it.

    Raises:
        UnknownJobError: there is none.
    """
    row = connection.execute(_query().where(job.c.id == job_id).with_for_update()).one_or_none()
    if row is None:
        raise unknown_job(connection, job_id)
    return _record(row)


def locked_open_job(connection: Connection, job_id: int) -> JobRecord:
    """As `locked_job`, if it is not final.

    Raises:
        JobStateError: the job is final.
        UnknownJobError: there is none.
    """
    found = locked_job(connection, job_id)
    if found.state.is_final:
        raise JobStateError(job_id, found.state.value)
    return found


def set_job(connection: Connection, job_id: int, **values: Any) -> None:
    """Writes columns of a job."""
    connection.execute(update(job).where(job.c.id == job_id).values(**values))


def log_job(connection: Connection, job_id: int, study: str, kind: EventKind, /, **payload: Any) -> None:
    """Appends a line about a job, whose row the caller has written or locked.

    The row of its study is locked too, so that lines of both become visible in the order of their ids and
    who follows them misses none. The order of locks is always job, then study.
    """
    lock_named_study(connection, study)
    add_event(connection, None, kind, {"job": job_id, **payload}, job_id=job_id)


def unknown_job(connection: Connection, job_id: int) -> UnknownJobError:
    """The error for a job that is not there, with those that have not ended."""
    open_jobs = connection.execute(select(job.c.id).where(IS_OPEN).order_by(job.c.id).limit(20)).scalars()
    return UnknownJobError(job_id, tuple(open_jobs))


def _query() -> Select[Any]:
    return select(*_COLUMNS, _REMAINING.label(_COMPUTED))


def _record(row: Row[Any]) -> JobRecord:
    values = dict(row._mapping)
    values["state"], values["request"] = JobState(values["state"]), JobRequest(values["request"])
    values[_COMPUTED] = max(0.0, values[_COMPUTED])
    return JobRecord(**values)
