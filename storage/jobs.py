"""Jobs: what the user asks of them, and what the supervisor that holds one says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, type_coerce

from .columns import UtcSeconds, database_clock
from .errors import JobStateError
from .events import EventKind
from .holding import NEVER_HELD
from .job_leases import held_job
from .job_records import JobLease, JobRecord, JobRequest, JobState
from .job_rows import locked_open_job, log_job, read_job, set_job
from .tables import job
from .values import storable_message

_NOW = type_coerce(database_clock(), UtcSeconds())


@dataclass(frozen=True, kw_only=True, slots=True)
class NewJob:
    """A job to be stored; the fields are those of `JobRecord`."""

    study: str
    kind: str
    config: Mapping[str, Any]
    trials: int | None
    account: str | None
    log: str | None


def create_job(connection: Connection, new: NewJob) -> JobRecord:
    """Stores a job in state QUEUED that nobody sees to.

    Raises:
        ValueError: the study, kind or account is empty, `trials` is below 1, or the config is not JSON.
    """
    if not new.study or not new.kind:
        raise ValueError(f"a job of kind {new.kind!r} for study {new.study!r}: neither may be empty")
    if new.account == "":
        raise ValueError("the account of a job is empty: name it, or leave it out")
    row = {
        "kind": new.kind,
        "study": new.study,
        "config": dict(new.config),
        "trials": _checked_trials(new.trials),
        "account": new.account,
        "log": new.log,
    }
    start = {
        "state": JobState.QUEUED.value,
        "request": JobRequest.RUN.value,
        "epoch": 0,
        "lease_until_s": NEVER_HELD,
        "restarts": 0,
    }
    query = insert(job).values(created_at=database_clock(), **row, **start).returning(job.c.id)
    job_id = int(connection.execute(query).scalar_one())
    payload = {"kind": new.kind, "study": new.study, "trials": new.trials}
    owner = {} if new.account is None else {"account": new.account}
    log_job(connection, job_id, new.study, EventKind.JOB_CREATED, **payload, **owner)
    return read_job(connection, job_id)


def request_job(connection: Connection, job_id: int, request: JobRequest) -> None:
    """Writes what the user wants of a job that is not final; an equal request changes nothing.

    Raises:
        JobStateError: the job is final.
        UnknownJobError: there is no such job.
    """
    found = locked_open_job(connection, job_id)
    if found.request is not request:
        set_job(connection, job_id, request=request.value)
        log_job(connection, job_id, found.study, EventKind.JOB_REQUESTED, request=request.value)


def edit_job(connection: Connection, job_id: int, *, trials: int) -> None:
    """Writes the budget of a job that is not final.

    Raises:
        JobStateError: the job is final.
        UnknownJobError: there is no such job.
        ValueError: `trials` is below 1.
    """
    checked = _checked_trials(trials)
    found = locked_open_job(connection, job_id)
    if found.trials != checked:
        set_job(connection, job_id, trials=checked)
        log_job(connection, job_id, found.study, EventKind.JOB_EDITED, trials=checked)


def set_job_state(
    connection: Connection,
    lease: JobLease,
    state: JobState,
    *,
    reason: str | None,
    exit_code: int | None,
    restarts: int | None,
) -> None:
    """Writes what the supervisor says of the job; saying the same again changes nothing.

    Raises:
        JobFencedError: the lease is over.
        JobStateError: the job is final.
    """
    found = held_job(connection, lease)
    kept = None if reason is None else storable_message(reason)
    new = {
        "state": state,
        "reason": kept,
        "exit_code": exit_code,
        "restarts": found.restarts if restarts is None else restarts,
    }
    if all(getattr(found, name) == value for name, value in new.items()):
        return
    if found.state.is_final:
        raise JobStateError(lease.job_id, found.state.value)
    # Times are those of the database; a job that runs again keeps its first start.
    times: dict[str, Any] = {"ended_at": _NOW} if state.is_final else {}
    if state is JobState.RUNNING:
        times["started_at"] = func.coalesce(job.c.started_at, _NOW)
    set_job(connection, lease.job_id, **{**new, "state": state.value}, **times)
    payload = {**new, "state": state.value, "epoch": lease.epoch}
    log_job(connection, lease.job_id, found.study, EventKind.JOB_STATE_CHANGED, **payload)


def _checked_trials(trials: int | None) -> int | None:
    if trials is not None and trials < 1:
        raise ValueError(f"a job of {trials} trials: allowed are 1 and more")
    return trials
