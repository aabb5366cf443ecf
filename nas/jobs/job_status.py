"""Jobs as users speak of them: by number or study, and what each one does now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nas.errors import ConfigError
from nas.jobs.kinds import SEARCH
from storage import JobRecord, JobRequest, JobState, Ledger, StudyState, StudyStatus, UnknownJobError

LOST: Final = "lost"
_SEEN_TO: Final = frozenset({"queued", "running", "pausing", "stopping"})
_ASKED: Final = {JobRequest.PAUSE: "pausing", JobRequest.STOP: "stopping"}


class JobNotFoundError(ConfigError):
    """No job of that number, and none of a study of that name, is stored."""


def status_of(job: JobRecord) -> str:
    """In one word: queued, running, pausing, stopping, paused, completed, failed, cancelled or lost.

    A job is lost when its supervisor died: nobody renews its lease.
    """
    if job.state.is_final:
        return job.state.value.lower()
    if job.is_alive:
        return _ASKED.get(job.request, JobState.RUNNING.value.lower())
    if is_lost(job):
        return LOST
    return job.state.value.lower()


def is_lost(job: JobRecord) -> bool:
    """Whether nobody sees to a job that is meant to run."""
    if job.is_alive or job.state.is_final:
        return False
    return job.state is JobState.RUNNING or job.owner is not None


def is_live(study: StudyStatus, newest: JobRecord | None) -> bool:
    """Whether a study runs or is about to: somebody sees to its newest search, or a driver holds it.

    One that is said to run while neither is so has lost its driver.
    """
    is_driven = study.state is StudyState.RUNNING and study.is_held
    return is_driven or (newest is not None and status_of(newest) in _SEEN_TO)


def find_job(ledger: Ledger, text: str) -> JobRecord:
    """The job of a number, or the newest search of a study.

    Raises:
        JobNotFoundError: there is none; it names what there is.
    """
    if text.isascii() and text.isdigit() and len(text) < 19:
        try:
            return ledger.job(int(text))
        except UnknownJobError:
            pass  # a study's name may be a number too
    of_study = ledger.jobs(study=text, kind=SEARCH)
    if not of_study:
        raise JobNotFoundError(_unknown(text, ledger.jobs()))
    return of_study[-1]


def _unknown(text: str, jobs: Sequence[JobRecord]) -> str:
    known = ", ".join(f"{job.id} ({job.study})" for job in jobs[-20:]) or "none"
    return f"no job {text!r}: give the number of a job or the name of its study; stored jobs: {known}"
