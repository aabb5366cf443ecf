"""Submissions: jobs that an account asks for, within its quota, and once however often it asks.

A key that the client chose stands for one request for a day: the same request is answered with the job that
it made, another one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from .columns import database_clock
from .errors import IdempotencyConflictError, OpenJobError, QuotaError
from .job_records import SEARCH_KIND, JobRecord, Submission
from .job_rows import IS_OPEN, read_job
from .jobs import NewJob, create_job
from .tables import job, submission
from .values import checked_sha256

KEY_LIFETIME_S = 24 * 3600.0
_LOCK = 0x6E617375  # "nasu", any number that nobody else uses


@dataclass(frozen=True, kw_only=True, slots=True)
class IdempotencyKey:
    """A key that a client chose, and the sha256 of the request that it sent with it."""

    key: str
    request_sha256: str


def idempotency_key(key: str | None, request_sha256: str | None) -> IdempotencyKey | None:
    """Both or neither.

    Raises:
        ValueError: one is missing, the key is empty, or the hash is none.
    """
    if key is None and request_sha256 is None:
        return None
    if not key or request_sha256 is None:
        raise ValueError(
            f"idempotency key {key!r} with request hash {request_sha256!r}: give both or neither"
        )
    return IdempotencyKey(key=key, request_sha256=checked_sha256(request_sha256))


def submit_job(
    connection: Connection, new: NewJob, *, key: IdempotencyKey | None, max_open: int | None
) -> Submission:
    """Stores a job of an account; one that its key stands for already is handed out.

    Raises:
        IdempotencyConflictError: the key was used for another request.
        OpenJobError: the study has a search job that has not ended, and this is another one.
        QuotaError: the account has `max_open` jobs that have not ended.
        ValueError: the account is empty, or as of `create_job`.
    """
    if not new.account:
        raise ValueError("a submission without an account: name who submits the job")
    _lock_submissions(connection)
    if key is not None:
        stored = _stored(connection, new.account, key)
        if stored is not None:
            return Submission(job=stored, is_repeated=True)
    _check_open(connection, new, max_open)
    made = create_job(connection, new)
    if key is not None:
        row = {"account": new.account, "key": key.key, "request_sha256": key.request_sha256}
        connection.execute(insert(submission).values(created_at=database_clock(), job_id=made.id, **row))
    return Submission(job=made, is_repeated=False)


def count_open_jobs(connection: Connection, account: str) -> int:
    """Jobs of an account that have not ended."""
    query = select(func.count()).select_from(job).where(job.c.account == account, IS_OPEN)
    return int(connection.execute(query).scalar_one())


def _lock_submissions(connection: Connection) -> None:
    """One submission at a time, so that two at once count each other; SQLite has locked the file."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _stored(connection: Connection, account: str, key: IdempotencyKey) -> JobRecord | None:
    """The job that the key stands for; keys of yesterday are forgotten."""
    old = database_clock() - KEY_LIFETIME_S
    connection.execute(delete(submission).where(submission.c.created_at < old))
    is_wanted = (submission.c.account == account, submission.c.key == key.key)
    query = select(submission.c.job_id, submission.c.request_sha256).where(*is_wanted)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.request_sha256 != key.request_sha256:
        raise IdempotencyConflictError(key.key, row.job_id)
    return read_job(connection, row.job_id)


def _check_open(connection: Connection, new: NewJob, max_open: int | None) -> None:
    if new.kind == SEARCH_KIND:
        is_other = (job.c.study == new.study, job.c.kind == SEARCH_KIND, IS_OPEN)
        other = connection.execute(select(func.min(job.c.id)).where(*is_other)).scalar_one()
        if other is not None:
            raise OpenJobError(new.study, other)
    if max_open is not None:
        assert new.account is not None
        num_open = count_open_jobs(connection, new.account)
        if num_open >= max_open:
            raise QuotaError(new.account, num_open, max_open)
