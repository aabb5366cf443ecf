"""Asking something of a job: pause, stop, another budget; and waiting for its end."""

from __future__ import annotations

import os
import socket
import time
from typing import Final

from nas.errors import ConfigError
from nas.jobs.job_status import LOST, is_lost, status_of
from nas.jobs.standing import settle_study
from storage import JobRecord, JobRequest, JobState, Ledger

_SECONDS_BETWEEN_LOOKS: Final = 0.5
#: A job that is lost for this long stays so: its lease may have run out while the database was away.
_PATIENCE_S: Final = 5.0
_LEASE_S: Final = 30.0
_STATES: Final = {JobRequest.PAUSE: JobState.PAUSED, JobRequest.STOP: JobState.CANCELLED}


def ask(ledger: Ledger, job: JobRecord, request: JobRequest) -> JobRecord:
    """Ask a job to pause or stop; one that nobody sees to is paused or stopped here.

    Raises:
        ConfigError: the job is over.
        StorageFault: the database cannot be used.
    """
    _refuse_final(job, request.value)
    ledger.request_job(job.id, request)
    found = ledger.job(job.id)
    state = _STATES[request]
    if found.is_alive or found.state is state:
        return found
    lease = ledger.claim_job(job.id, owner=f"{socket.gethostname()}/{os.getpid()}", seconds=_LEASE_S)
    try:
        settle_study(ledger, job.study, state, "asked while no driver ran")
        ledger.set_job_state(lease, state, reason="asked while no driver ran", exit_code=0)
    finally:
        ledger.release_job(lease)
    return ledger.job(job.id)


def edit(ledger: Ledger, job: JobRecord, *, trials: int) -> JobRecord:
    """Change the total of trials; a search that runs takes it over within seconds.

    Raises:
        ConfigError: the job is over.
        StorageFault: the database cannot be used.
    """
    _refuse_final(job, "edit")
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


def _refuse_final(job: JobRecord, verb: str) -> None:
    if job.state.is_final:
        raise ConfigError(
            f"job {job.id} of study {job.study!r} is {status_of(job)}: there is nothing to {verb}; run its "
            "config with --detach to go on"
        )
