"""Leases of jobs: one supervisor sees to a job, and only the epoch decides which."""

from __future__ import annotations

from sqlalchemy import Connection, and_

from .errors import JobFencedError, JobHeldError
from .events import EventKind
from .holding import release_hold, renew_hold, take
from .job_records import JobLease, JobRecord
from .job_rows import IS_OPEN, locked_job, locked_open_job, log_job, read_job
from .tables import job


def claim_job(connection: Connection, job_id: int, *, owner: str, seconds: float) -> JobLease:
    """Takes a job that nobody sees to.

    Raises:
        JobHeldError: somebody does.
        JobStateError: the job is final.
        UnknownJobError: there is no such job.
    """
    is_wanted = and_(job.c.id == job_id, IS_OPEN)
    returning = (job.c.epoch, job.c.study)
    row = take(connection, job, is_wanted, owner=owner, seconds=seconds, returning=returning)
    if row is None:
        found = locked_open_job(connection, job_id)
        raise JobHeldError(job_id, found.owner or "nobody", found.remaining_s)
    log_job(connection, job_id, row.study, EventKind.JOB_CLAIMED, owner=owner, epoch=row.epoch)
    return JobLease(job_id=job_id, owner=owner, epoch=row.epoch, seconds=seconds)


def renew_job(connection: Connection, lease: JobLease) -> None:
    """Counts the seconds of the lease anew from now.

    Raises:
        JobFencedError: the lease is over.
    """
    if not renew_hold(connection, job, lease.job_id, lease):
        held_job(connection, lease)


def release_job(connection: Connection, lease: JobLease) -> None:
    """Gives the job back; a lease that is over already needs no release."""
    if release_hold(connection, job, lease.job_id, lease):
        study = read_job(connection, lease.job_id).study
        payload = {"owner": lease.owner, "epoch": lease.epoch}
        log_job(connection, lease.job_id, study, EventKind.JOB_RELEASED, **payload)


def held_job(connection: Connection, lease: JobLease) -> JobRecord:
    """The job, locked for the holder of the current lease.

    Raises:
        JobFencedError: the lease is over.
        UnknownJobError: there is no such job.
    """
    found = locked_job(connection, lease.job_id)
    if (found.epoch, found.owner) != (lease.epoch, lease.owner):
        raise JobFencedError(lease.job_id, lease.epoch, found.epoch, found.owner)
    return found
