"""Asking something of a job: pause, stop, another budget; and waiting for its end."""

from __future__ import annotations

import os
import socket
import time
from typing import Final

from nas.errors import ConfigError
from nas.jobs.job_status import LOST, is_lost, status_of
from nas.jobs.kinds import SEARCH
from nas.jobs.launching import check_resumable
from nas.jobs.standing import settle_study
from storage import JobHeldError, JobRecord, JobRequest, JobState, Ledger

_SECONDS_BETWEEN_LOOKS: Final = 0.5
#: A job that is lost for this long stays so: its lease may have run out while the database was away.
_PATIENCE_S: Final = 5.0
_LEASE_S: Final = 30.0
_STATES: Final = {JobRequest.PAUSE: JobState.PAUSED, JobRequest.STOP: JobState.CANCELLED}


class JobOverError(ConfigError):
    """The job is over: nothing can be asked of it."""


def ask(ledger: Ledger, job: JobRecord, request: JobRequest) -> JobRecord:
    """Ask a job to pause or stop; one that nobody sees to is paused or stopped here.

    Raises:
        JobOverError: the job is over.
        StorageFault: the database cannot be used.
    """
    _refuse_final(job, request.value)
    ledger.request_job(job.id, request)
    found = ledger.job(job.id)
    state = _STATES[request]
    if found.is_alive or found.state is state:
        return found
    try:
        lease = ledger.claim_job(job.id, owner=_owner(), seconds=_LEASE_S)
    except JobHeldError:  # a supervisor took it just now, and reads the request
        return ledger.job(job.id)
    try:
        settle_study(ledger, job, state, "asked while no driver ran")
        ledger.set_job_state(lease, state, reason="asked while no driver ran", exit_code=0)
    finally:
        ledger.release_job(lease)
    return ledger.job(job.id)


def requeue(ledger: Ledger, job: JobRecord, *, max_open: int | None = None) -> JobRecord:
    """Queue a job again that was paused or lost, for the service that starts queued jobs.

    Args:
        ledger: that holds the job.
        job: of an account; a failed one gets a successor.
        max_open: open jobs that the account may have, a successor among them.

    Raises:
        ConfigError: it is completed or cancelled, or was not submitted to a service.
        JobRunsError: it runs, or another job of its study does.
        StorageFault: the database cannot be used, or another process was quicker.
    """
    if job.account is None:
        raise ConfigError(
            f"job {job.id} was started on the machine itself; go on with `nas search resume {job.id}` there"
        )
    if job.state is JobState.FAILED:
        return _succeeded(ledger, job, job.account, max_open)
    check_resumable(ledger, job)
    ledger.request_job(job.id, JobRequest.RUN)
    return _queued(ledger, job)


def take_up(ledger: Ledger, job: JobRecord, reason: str) -> JobRecord:
    """Queue a job again that ran until its supervisor died; what was asked of it still holds.

    Raises:
        StorageFault: the database cannot be used, the job is over, or another process was quicker.
    """
    return _queued(ledger, job, reason=reason, restarts=job.restarts + 1)


def edit(ledger: Ledger, job: JobRecord, *, trials: int) -> JobRecord:
    """Change the total of trials; a search that runs takes it over within seconds.

    Raises:
        JobOverError: the job is over.
        ConfigError: it is no search.
        StorageFault: the database cannot be used.
    """
    _refuse_final(job, "edit")
    if job.kind != SEARCH:
        raise ConfigError(f"job {job.id} is of kind {job.kind!r}, which has no number of trials to edit")
    ledger.edit_job(job.id, trials=trials)
    return ledger.job(job.id)


def wait(ledger: Ledger, job: JobRecord, *, timeout_s: float | None = None) -> JobRecord | None:
    """The job when it is over, paused or lost for good; None if it is none of these after the time.

    Raises:
        StorageFault: the database cannot be used.
    """
    give_up = None if timeout_s is None else time.monotonic() + timeout_s
    lost_since: float | None = None
    while True:
        found = ledger.job(job.id)
        now = time.monotonic()
        if not found.is_alive and not is_lost(found) and found.state is not JobState.QUEUED:
            return found
        lost_since = (lost_since or now) if status_of(found) == LOST else None
        if lost_since is not None and now - lost_since > _PATIENCE_S:
            return found
        if give_up is not None and now >= give_up:
            return None
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _succeeded(ledger: Ledger, job: JobRecord, account: str, max_open: int | None) -> JobRecord:
    """The successor of a failed job."""
    submission = ledger.submit_job(
        job.study,
        kind=job.kind,
        config=job.config,
        trials=job.trials,
        account=account,
        log=job.log,
        max_open=max_open,
    )
    return submission.job


def _queued(
    ledger: Ledger, job: JobRecord, *, reason: str | None = None, restarts: int | None = None
) -> JobRecord:
    lease = ledger.claim_job(job.id, owner=_owner(), seconds=_LEASE_S)
    try:
        ledger.set_job_state(lease, JobState.QUEUED, reason=reason, restarts=restarts)
    finally:
        ledger.release_job(lease)
    return ledger.job(job.id)


def _owner() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"


def _refuse_final(job: JobRecord, verb: str) -> None:
    if job.state.is_final:
        raise JobOverError(
            f"job {job.id} of study {job.study!r} is {status_of(job)}: there is nothing to {verb}; run its "
            "config again to go on"
        )
