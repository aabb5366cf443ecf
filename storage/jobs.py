"""Jobs: what the user asks of them, and what the supervisor that holds one says of it.

Leases work as those of studies do: only the epoch decides, and the database's clock counts the seconds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    insert,
    select,
    type_coerce,
    update,
)

from .columns import UtcSeconds, database_clock
from .errors import JobFencedError, JobHeldError, JobStateError, UnknownJobError
from .events import EventKind, add_event
from .job_records import FINAL_JOB_STATES, JobLease, JobRecord, JobRequest, JobState
from .tables import job
from .values import storable_message

_OVER = 0.0
_REMAINING = case((job.c.owner.is_(None), 0.0), else_=job.c.lease_until_s - database_clock())
_COMPUTED = "remaining_s"
_COLUMNS = tuple(job.c[field.name] for field in dataclasses.fields(JobRecord) if field.name != _COMPUTED)
_NOW = type_coerce(database_clock(), UtcSeconds())


def create_job(
    connection: Connection,
    study: str,
    *,
    config: Mapping[str, Any],
    trials: int | None,
    kind: str,
    log: str | None,
) -> JobRecord:
    """Stores a job in state QUEUED that nobody sees to.

    Raises:
        ValueError: the study or kind is empty, `trials` is below 1, or the config is not JSON.
    """
    if not study or not kind:
        raise ValueError(f"a job of kind {kind!r} for study {study!r}: neither may be empty")
    row = {
        "kind": kind,
        "study": study,
        "config": dict(config),
        "trials": _checked_trials(trials),
        "log": log,
    }
    start = {
        "state": JobState.QUEUED.value,
        "request": JobRequest.RUN.value,
        "epoch": 0,
        "lease_until_s": _OVER,
        "restarts": 0,
    }
    query = insert(job).values(created_at=database_clock(), **row, **start).returning(job.c.id)
    job_id = int(connection.execute(query).scalar_one())
    _log(connection, job_id, EventKind.JOB_CREATED, kind=kind, study=study, trials=trials)
    return read_job(connection, job_id)


def read_job(connection: Connection, job_id: int) -> JobRecord:
    """The job of that number.

    Raises:
        UnknownJobError: there is none.
    """
    row = connection.execute(_query().where(job.c.id == job_id)).one_or_none()
    if row is None:
        raise _unknown(connection, job_id)
    return _record(row)


def read_jobs(connection: Connection, study: str | None) -> list[JobRecord]:
    """Jobs, of one study if given, newest last."""
    query = _query() if study is None else _query().where(job.c.study == study)
    return [_record(row) for row in connection.execute(query.order_by(job.c.id))]


def request_job(connection: Connection, job_id: int, request: JobRequest) -> None:
    """Writes what the user wants of a job that is not final; an equal request changes nothing.

    Raises:
        JobStateError: the job is final.
        UnknownJobError: there is no such job.
    """
    if _open_job(connection, job_id).request is not request:
        _set(connection, job_id, request=request.value)
        _log(connection, job_id, EventKind.JOB_REQUESTED, request=request.value)


def edit_job(connection: Connection, job_id: int, *, trials: int) -> None:
    """Writes the budget of a job that is not final.

    Raises:
        JobStateError: the job is final.
        UnknownJobError: there is no such job.
        ValueError: `trials` is below 1.
    """
    checked = _checked_trials(trials)
    if _open_job(connection, job_id).trials != checked:
        _set(connection, job_id, trials=checked)
        _log(connection, job_id, EventKind.JOB_EDITED, trials=checked)


def claim_job(connection: Connection, job_id: int, *, owner: str, seconds: float) -> JobLease:
    """Takes a job that nobody sees to.

    Raises:
        JobHeldError: somebody does.
        JobStateError: the job is final.
        UnknownJobError: there is no such job.
    """
    found = _open_job(connection, job_id)
    if found.is_alive:
        assert found.owner is not None
        raise JobHeldError(job_id, found.owner, found.remaining_s)
    lease = JobLease(job_id=job_id, owner=owner, epoch=found.epoch + 1, seconds=seconds)
    until = database_clock() + seconds
    _set(connection, job_id, epoch=lease.epoch, owner=owner, lease_until_s=until)
    _log(connection, job_id, EventKind.JOB_CLAIMED, owner=owner, epoch=lease.epoch)
    return lease


def renew_job(connection: Connection, lease: JobLease) -> None:
    """Counts the seconds of the lease anew from now.

    Raises:
        JobFencedError: the lease is over.
    """
    renewal = update(job).where(_is_current(lease)).values(lease_until_s=database_clock() + lease.seconds)
    if connection.execute(renewal).rowcount == 0:
        _held_job(connection, lease)


def release_job(connection: Connection, lease: JobLease) -> None:
    """Gives the job back; a lease that is over already needs no release."""
    released = update(job).where(_is_current(lease)).values(owner=None, lease_until_s=_OVER)
    if connection.execute(released).rowcount:
        _log(connection, lease.job_id, EventKind.JOB_RELEASED, owner=lease.owner, epoch=lease.epoch)


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
    found = _held_job(connection, lease)
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
    _set(connection, lease.job_id, **{**new, "state": state.value}, **times)
    payload = {**new, "state": state.value, "epoch": lease.epoch}
    _log(connection, lease.job_id, EventKind.JOB_STATE_CHANGED, **payload)


def _query() -> Select[Any]:
    return select(*_COLUMNS, _REMAINING.label(_COMPUTED))


def _locked_job(connection: Connection, job_id: int) -> JobRecord:
    row = connection.execute(_query().where(job.c.id == job_id).with_for_update()).one_or_none()
    if row is None:
        raise _unknown(connection, job_id)
    return _record(row)


def _open_job(connection: Connection, job_id: int) -> JobRecord:
    """The job, locked against every other writer of it, if it is not final."""
    found = _locked_job(connection, job_id)
    if found.state.is_final:
        raise JobStateError(job_id, found.state.value)
    return found


def _held_job(connection: Connection, lease: JobLease) -> JobRecord:
    """The job, locked for the holder of the current lease."""
    found = _locked_job(connection, lease.job_id)
    if (found.epoch, found.owner) != (lease.epoch, lease.owner):
        raise JobFencedError(lease.job_id, lease.epoch, found.epoch, found.owner)
    return found


def _set(connection: Connection, job_id: int, **values: Any) -> None:
    connection.execute(update(job).where(job.c.id == job_id).values(**values))


def _log(connection: Connection, job_id: int, kind: EventKind, /, **payload: Any) -> None:
    add_event(connection, None, kind, {"job": job_id, **payload})


def _unknown(connection: Connection, job_id: int) -> UnknownJobError:
    is_open = job.c.state.not_in([state.value for state in FINAL_JOB_STATES])
    open_jobs = connection.execute(select(job.c.id).where(is_open).order_by(job.c.id).limit(20)).scalars()
    return UnknownJobError(job_id, tuple(open_jobs))


def _is_current(lease: JobLease) -> ColumnElement[bool]:
    return and_(job.c.id == lease.job_id, job.c.epoch == lease.epoch, job.c.owner == lease.owner)


def _checked_trials(trials: int | None) -> int | None:
    if trials is not None and trials < 1:
        raise ValueError(f"a job of {trials} trials: allowed are 1 and more")
    return trials


def _record(row: Row[Any]) -> JobRecord:
    values = dict(row._mapping)
    values["state"], values["request"] = JobState(values["state"]), JobRequest(values["request"])
    values[_COMPUTED] = max(0.0, values[_COMPUTED])
    return JobRecord(**values)
