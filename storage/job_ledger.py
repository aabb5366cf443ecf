"""The part of the ledger that is about jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import jobs
from .database import Database
from .job_records import JobLease, JobRecord, JobRequest, JobState


class JobLedger:
    """Jobs in one database. Each method is one short transaction, durable when it returns.

    Every change adds an event whose payload has the number of the job under "job".
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_job(
        self,
        study: str,
        *,
        config: Mapping[str, Any],
        trials: int | None = None,
        kind: str = "search",
        log: str | None = None,
    ) -> JobRecord:
        """Stores a job in state QUEUED, asked to run, that nobody sees to; its study need not exist yet."""
        return self._database.write(
            lambda connection: jobs.create_job(
                connection, study, config=config, trials=trials, kind=kind, log=log
            )
        )

    def job(self, job_id: int) -> JobRecord:
        """The job of that number; raises UnknownJobError."""
        return self._database.read(lambda connection: jobs.read_job(connection, job_id))

    def jobs(self, *, study: str | None = None) -> list[JobRecord]:
        """Jobs, of one study if given, newest last."""
        return self._database.read(lambda connection: jobs.read_jobs(connection, study))

    def request_job(self, job_id: int, request: JobRequest) -> None:
        """Writes what the user wants of a job; raises JobStateError when it is final."""
        self._database.write(
            lambda connection: jobs.request_job(connection, job_id, JobRequest(request)), idempotent=True
        )

    def edit_job(self, job_id: int, *, trials: int) -> None:
        """Writes the budget of a job, also while it runs; raises JobStateError when it is final."""
        self._database.write(
            lambda connection: jobs.edit_job(connection, job_id, trials=trials), idempotent=True
        )

    def claim_job(self, job_id: int, *, owner: str, seconds: float = 10.0) -> JobLease:
        """Takes a job that nobody sees to.

        Raises:
            JobHeldError: somebody does; it is a LeaseHeldError.
            JobStateError: the job is final.
        """
        if not owner:
            raise ValueError("the owner of a lease is empty: name the supervisor, such as host:pid")
        if not seconds > 0:
            raise ValueError(f"a lease of {seconds} s, allowed are more than 0")
        return self._database.write(
            lambda connection: jobs.claim_job(connection, job_id, owner=owner, seconds=seconds)
        )

    def renew_job(self, lease: JobLease) -> None:
        """Counts the seconds of the lease anew; raises JobFencedError, a FencedError, when it is over."""
        self._database.write(lambda connection: jobs.renew_job(connection, lease), idempotent=True)

    def release_job(self, lease: JobLease) -> None:
        """Gives the job back; harmless when the lease is over."""
        self._database.write(lambda connection: jobs.release_job(connection, lease), idempotent=True)

    def set_job_state(
        self,
        lease: JobLease,
        state: JobState,
        *,
        reason: str | None = None,
        exit_code: int | None = None,
        restarts: int | None = None,
    ) -> None:
        """Writes the state of the job with the reason and exit code that belong to it.

        Args:
            lease: of the supervisor.
            state: its first RUNNING sets `started_at`, a final one `ended_at`.
            reason: for people; None clears the last one.
            exit_code: of the driver; None clears the last one.
            restarts: how often the driver was started again; None leaves the count.

        Raises:
            JobFencedError: the lease is over.
            JobStateError: the job is final.
        """
        self._database.write(
            lambda connection: jobs.set_job_state(
                connection, lease, state, reason=reason, exit_code=exit_code, restarts=restarts
            ),
            idempotent=True,
        )
