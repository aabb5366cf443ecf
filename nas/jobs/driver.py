"""`python -m nas.jobs.driver JOB`: search or export for one job in this process, which alone speaks to Ray.

The database's URL comes from the environment variable NAS_STORAGE, which is forgotten at once: neither
workers nor logs see it. Exit codes: 0 finished, paused or stopped as asked; 75 worth another start;
78 another start would end the same way; 1 anything else.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from nas.config import SearchConfig
from nas.errors import StorageError
from nas.jobs.exporting import ExportRequest, run_export
from nas.jobs.interruption import HaltedError
from nas.jobs.job_config import job_config
from nas.jobs.job_control import JobControl
from nas.jobs.job_log import configure_logging, name_study
from nas.jobs.kinds import EXPORT
from nas.jobs.outcome import FAILED, DriverOutcome, failure
from nas.jobs.processes import take_url
from nas.study.control import Control
from nas.study.draining import sigterm_pauses
from storage import JobRecord, JobState, LeaseHeldError, Ledger, StudyState

logger = logging.getLogger("nas.jobs.driver")  # the name of a module that is run is __main__

#: A driver that died leaves the study held for its lease; its successor waits that long at most.
PATIENCE_S: Final = 30.0
_JOB_STATES: Final = {
    StudyState.COMPLETED: JobState.COMPLETED,
    StudyState.CANCELLED: JobState.CANCELLED,
    StudyState.FAILED: JobState.FAILED,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a job, tell its supervisor how it ended; the exit code of the process."""
    parser = argparse.ArgumentParser(prog="python -m nas.jobs.driver", description="Run a job.")
    parser.add_argument("job", type=int, help="number of the job")
    parser.add_argument("--supervisor", type=int, metavar="PID", help="parent process; without it, pause")
    parser.add_argument("--report", type=int, metavar="FD", help="pipe that the outcome is written to")
    options = parser.parse_args(arguments)
    if options.report is not None:
        os.set_inheritable(options.report, False)
    configure_logging(job=options.job)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        outcome = run_job(take_url(), options.job, supervisor=options.supervisor)
    except (Exception, KeyboardInterrupt) as error:  # the edge of the program
        outcome = failure(error)
        logger.error("job %d: %s", options.job, outcome.reason, exc_info=outcome.search_code == FAILED)
    if options.report is not None:
        outcome.send(options.report)
    return outcome.process_code


def run_job(url: str, job_id: int, *, supervisor: int | None = None) -> DriverOutcome:
    """Run a job until it ends or its row asks for a halt.

    Raises:
        NasError: as `nas.jobs.run_search` and `nas.jobs.exporting.run_export` do.
        StorageFault: the database cannot be used, or there is no such job.
    """
    with Ledger.open(url) as ledger:
        job = ledger.job(job_id)
        name_study(job.study)
        work = _work_of(ledger, job, url)
        outcome = DriverOutcome(state=JobState.PAUSED, reason="SIGTERM before the work began")
        with JobControl(ledger, job, supervisor=supervisor) as of_row, sigterm_pauses(of_row) as control:
            try:
                outcome = work(control)
            except HaltedError as halt:
                state = JobState.CANCELLED if halt.is_stop else JobState.PAUSED
                outcome = DriverOutcome(state=state, reason=str(halt))
        return outcome


def _work_of(ledger: Ledger, job: JobRecord, url: str) -> Callable[[Control | None], DriverOutcome]:
    """What a job does, in its working directory, which this process is in from now on."""
    if job.kind == EXPORT:
        os.chdir(ExportRequest.of_job(job).folder)
        return lambda control: _export(ledger, job, url, control)
    stored = job_config(job, url)
    os.chdir(stored.folder)
    return lambda control: _search_to_end(ledger, stored.config, control)


def _export(ledger: Ledger, job: JobRecord, url: str, control: Control | None) -> DriverOutcome:
    run_export(ledger, job, url, control)
    return DriverOutcome(state=JobState.COMPLETED)


def _search_to_end(ledger: Ledger, config: SearchConfig, control: Control | None) -> DriverOutcome:
    _search(config, control)
    return _ended(ledger, config.name)


def _search(config: SearchConfig, control: Control | None) -> None:
    """Search as soon as no other driver has the study.

    Raises:
        StorageError: another one keeps it.
    """
    from nas.jobs.search import run_search

    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            run_search(config, show_progress=True, control=control).close()
        except StorageError as error:
            held = error.__cause__
            if not isinstance(held, LeaseHeldError) or time.monotonic() > give_up:
                raise
            logger.info("waiting: %s", error)
            time.sleep(min(held.remaining_s + 0.1, PATIENCE_S))
        else:
            return


def _ended(ledger: Ledger, name: str) -> DriverOutcome:
    """The outcome of a search that ended without an error, by the state that it left."""
    study = ledger.study(name)
    return DriverOutcome(state=_JOB_STATES.get(study.state, JobState.PAUSED), reason=study.reason)


if __name__ == "__main__":
    sys.exit(main())
