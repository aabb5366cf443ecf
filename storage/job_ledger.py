"""The part of the ledger that is about jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from . import export_files, job_events, job_leases, job_rows, jobs, submissions
from .database import Database
from .job_records import SEARCH_KIND, ExportFile, JobLease, JobRecord, JobRequest, JobState, Submission
from .records import EventRecord


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
        kind: str = SEARCH_KIND,
        log: str | None = None,
        account: str | None = None,
    ) -> JobRecord:
        """Stores a job in state QUEUED, asked to run, that nobody sees to; its study need not exist yet."""
        new = jobs.NewJob(study=study, kind=kind, config=config, trials=trials, account=account, log=log)
        return self._database.write(lambda connection: jobs.create_job(connection, new))

    def submit_job(
        self,
        study: str,
        *,
        kind: str,
        config: Mapping[str, Any],
        trials: int | None,
        account: str,
        log: str | None,
        key: str | None = None,
        request_sha256: str | None = None,
        max_open: int | None = None,
    ) -> Submission:
        """As `create_job`, for an account and within its quota.

        May be called again with a key of the client and the sha256 of its request: for a day it is then
        answered with the job that the first call stored.

        Raises:
            IdempotencyConflictError: the account used the key for another request.
            OpenJobError: the study has a search job that has not ended, and this is another one.
            QuotaError: the account has `max_open` jobs that have not ended.
        """
        asked = submissions.idempotency_key(key, request_sha256)
        new = jobs.NewJob(study=study, kind=kind, config=config, trials=trials, account=account, log=log)
        return self._database.write(
            lambda connection: submissions.submit_job(connection, new, key=asked, max_open=max_open),
            idempotent=asked is not None,
        )

    def job(self, job_id: int) -> JobRecord:
        """The job of that number; raises UnknownJobError."""
        return self._database.read(lambda connection: job_rows.read_job(connection, job_id))

    def jobs(
        self,
        *,
        study: str | None = None,
        account: str | None = None,
        kind: str | None = None,
        states: Collection[JobState] | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[JobRecord]:
        """Jobs that meet what is given, newest last.

        With a limit these are the newest ones, and with the lowest of their numbers as `before` the next call
        reads those before them.
        """
        wanted = job_rows.JobFilter(
            study=study, account=account, kind=kind, states=states, before=before, limit=limit
        )
        return self._database.read(lambda connection: job_rows.read_jobs(connection, wanted))

    def job_events(self, job_id: int, *, after: int = 0, limit: int = 1000) -> list[EventRecord]:
        """Lines of a job, and of its study since the job was created, with an id above `after`, oldest first.

        With the id of the last one as `after` the next call misses none. Raises UnknownJobError.
        """
        return self._database.read(
            lambda connection: job_events.read_job_events(connection, job_id, after=after, limit=limit)
        )

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
            lambda connection: job_leases.claim_job(connection, job_id, owner=owner, seconds=seconds)
        )

    def renew_job(self, lease: JobLease) -> None:
        """Counts the seconds of the lease anew; raises JobFencedError, a FencedError, when it is over."""
        self._database.write(lambda connection: job_leases.renew_job(connection, lease), idempotent=True)

    def release_job(self, lease: JobLease) -> None:
        """Gives the job back; harmless when the lease is over."""
        self._database.write(lambda connection: job_leases.release_job(connection, lease), idempotent=True)

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

    def put_export_files(self, lease: JobLease, files: Sequence[ExportFile]) -> None:
        """Stores what an export job made in the place of what it had; raises JobFencedError."""
        checked = export_files.checked_files(files)
        self._database.write(
            lambda connection: export_files.put_export_files(connection, lease, checked), idempotent=True
        )

    def export_files(self, job_id: int) -> list[ExportFile]:
        """Files of a job by name; none while it has made none."""
        return self._database.read(lambda connection: export_files.read_export_files(connection, job_id))
