"""Jobs as the ledger hands them out: work that a supervisor keeps running, and what it made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

SEARCH_KIND: Final = "search"
"""Kind of the jobs that make studies; a study has at most one of them open."""


class JobState(StrEnum):
    """State of a job as its supervisor last wrote it; COMPLETED, FAILED and CANCELLED are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the job never runs again."""
        return self in FINAL_JOB_STATES


FINAL_JOB_STATES = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


class JobRequest(StrEnum):
    """What the user wants of a job; its supervisor sees to it."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecord:
    """A job.

    Attributes:
        study: name of the study, which need not exist yet, or any more.
        config: resolved, as the search was given it.
        trials: total of the study's evaluations, which may be edited while it runs; None for that of
            `config`.
        owner: the supervisor, as it named itself; None when nobody sees to the job.
        epoch: counts the supervisors.
        remaining_s: seconds until the owner's lease is over, by the database's clock at the time of reading.
        restarts: how often its driver was started again.
        exit_code: of the driver's last run, None while none has ended.
        log: path of the log, on the supervisor's machine.
        account: who submitted it; None for one of a command on this machine.
    """

    id: int
    kind: str
    study: str
    state: JobState
    request: JobRequest
    config: dict[str, Any]
    trials: int | None
    owner: str | None
    epoch: int
    remaining_s: float
    restarts: int
    exit_code: int | None
    reason: str | None
    log: str | None
    account: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def is_alive(self) -> bool:
        """Whether a supervisor saw to the job a moment ago."""
        return self.owner is not None and self.remaining_s > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class JobLease:
    """The right to see to a job, until `seconds` pass without renewal or a higher epoch comes."""

    job_id: int
    owner: str
    epoch: int
    seconds: float

    @property
    def subject(self) -> str:
        """What is held, for people."""
        return f"job {self.job_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A job that was submitted; `is_repeated` when an earlier request with the same key had stored it."""

    job: JobRecord
    is_repeated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportFile:
    """A file that an export job made; `sha256` is hexadecimal and finds the bytes."""

    name: str
    sha256: str
    size_bytes: int
