"""Starting searches that go on when the terminal is closed."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Final

from nas.config import SearchConfig
from nas.errors import ConfigError, NasError
from nas.jobs.job_config import FOLDER, JobConfig, absolute_url
from nas.jobs.job_log import last_lines, make_log
from nas.jobs.job_status import status_of
from nas.jobs.kinds import SEARCH
from nas.jobs.processes import start
from storage import JobRecord, JobRequest, JobState, Ledger

SUPERVISOR: Final = "nas.jobs.supervisor"
#: A supervisor takes its job within seconds; a machine that swaps may need longer.
START_S: Final = 120.0
_SECONDS_BETWEEN_LOOKS: Final = 0.1
_LINES_OF_ERROR: Final = 5


class JobStartError(NasError, RuntimeError):
    """The supervisor of a job did not start."""


class JobRunsError(ConfigError):
    """The study has a job that runs, or is about to."""


def launch_search(config: SearchConfig) -> JobRecord:
    """Create the job of a search and start its supervisor; the working directory is that of this process.

    Raises:
        JobRunsError: the study has a job that is not over.
        JobStartError: the supervisor ended before it took the job.
        StorageFault: the database cannot be used.
    """
    folder = Path.cwd()
    url = absolute_url(config.storage.url, folder)
    with Ledger.open(url) as ledger:
        _refuse_second(ledger, config.name)
        log = make_log(config.name, config.storage.artifacts, folder)
        job = ledger.create_job(
            config.name,
            config=JobConfig(config=config, folder=folder).to_json(),
            trials=config.search.trials,
            log=str(log),
        )
        try:
            _refuse_second(ledger, config.name, before=job.id)
        except JobRunsError as error:  # two were created at once: the earlier one stays
            close_job(ledger, job, JobState.CANCELLED, str(error))
            raise
        return _supervised(ledger, job, url)


def resume_job(ledger: Ledger, url: str, job: JobRecord) -> JobRecord:
    """Start a supervisor for a job that was paused or lost; a failed one gets a successor.

    Returns:
        The job that runs now.

    Raises:
        JobRunsError: it runs, or another job of its study does.
        ConfigError: it is completed or cancelled.
        JobStartError: the supervisor ended before it took the job.
        StorageFault: the database cannot be used.
    """
    url = absolute_url(url, Path.cwd())
    if job.state is JobState.FAILED:
        return _supervised(ledger, successor(ledger, job), url)
    check_resumable(ledger, job)
    ledger.request_job(job.id, JobRequest.RUN)
    return _supervised(ledger, job, url)


def successor(ledger: Ledger, job: JobRecord) -> JobRecord:
    """A queued job that does again what a failed one did.

    Raises:
        JobRunsError: another job of its study runs.
        StorageFault: the database cannot be used.
    """
    if job.kind == SEARCH:
        _refuse_second(ledger, job.study)
    return ledger.create_job(
        job.study, config=job.config, trials=job.trials, kind=job.kind, log=job.log, account=job.account
    )


def check_resumable(ledger: Ledger, job: JobRecord) -> None:
    """Refuse to go on with a job that is over, or runs.

    Raises:
        ConfigError: it is completed or cancelled.
        JobRunsError: it runs, or another job of its study does.
    """
    if job.state.is_final:
        raise ConfigError(
            f"job {job.id} is {status_of(job)}: run its config with --detach again, with more trials to go on"
        )
    if job.is_alive:
        raise JobRunsError(f"job {job.id} of study {job.study!r} is {status_of(job)}; {_hint(job)}")
    if job.kind == SEARCH:
        _refuse_second(ledger, job.study, but=job.id)


def _refuse_second(ledger: Ledger, study: str, *, before: int | None = None, but: int | None = None) -> None:
    """Refuse a search of a study that has another one which is not over.

    Args:
        ledger: that holds the jobs.
        study: its name.
        before: only jobs of lower numbers count.
        but: a job that does not count.
    """
    for job in ledger.jobs(study=study, kind=SEARCH):
        if job.id == but or job.state.is_final or (before is not None and job.id >= before):
            continue
        raise JobRunsError(f"study {study!r} has job {job.id}, which is {status_of(job)}; {_hint(job)}")


def _hint(job: JobRecord) -> str:
    if job.is_alive and job.request is JobRequest.RUN:
        return f"follow it with `nas search logs -f {job.id}`, end it with `nas search stop {job.id}`"
    if job.is_alive:
        return f"wait for it with `nas search wait {job.id}`"
    return f"take it up with `nas search resume {job.id}`, or end it with `nas search stop {job.id}`"


def _supervised(ledger: Ledger, job: JobRecord, url: str) -> JobRecord:
    """The job as soon as a supervisor has it."""
    try:
        process = start_supervisor(job, url)
    except OSError as error:
        close_job(ledger, job, JobState.FAILED, str(error))
        raise JobStartError(f"job {job.id}: its supervisor did not start: {error}") from error
    return _claimed(ledger, job, process)


def start_supervisor(job: JobRecord, url: str) -> subprocess.Popen[bytes]:
    """Start a supervisor for a job that nobody sees to; of several, one gets it and the others end.

    Raises:
        OSError: its log or working directory is gone, or no process can be made.
    """
    with Path(job.log or os.devnull).open("ab") as log:
        return start(
            SUPERVISOR,
            [job.id],
            url=url,
            output=log,
            folder=Path(job.config.get(FOLDER, ".")),
            is_offline=job.account is not None,
        )


def _claimed(ledger: Ledger, job: JobRecord, process: subprocess.Popen[bytes]) -> JobRecord:
    give_up = time.monotonic() + START_S
    while True:
        found = ledger.job(job.id)
        if found.epoch > job.epoch:
            return found
        has_ended = process.poll() is not None
        if has_ended or time.monotonic() > give_up:
            lines = last_lines(found.log or "", _LINES_OF_ERROR)
            if has_ended:
                close_job(ledger, job, JobState.FAILED, "its supervisor did not start")
            raise JobStartError("\n".join([f"job {job.id}: its supervisor did not start", *lines]))
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def close_job(ledger: Ledger, job: JobRecord, state: JobState, reason: str) -> None:
    """Write the last state of a job that nobody sees to.

    Raises:
        StorageFault: the database cannot be used, somebody sees to the job, or it is over.
    """
    lease = ledger.claim_job(job.id, owner="launch", seconds=10.0)
    try:
        ledger.set_job_state(lease, state, reason=reason)
    finally:
        ledger.release_job(lease)
