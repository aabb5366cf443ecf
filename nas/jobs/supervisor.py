"""`python -m nas.jobs.supervisor JOB`: keep the driver of one job running.

It holds the job's lease, starts the driver again when that died or could not reach something, and writes how
the job stands. It loads neither torch nor Ray. When it is killed its driver notices and pauses the search.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final

from nas.jobs.job_log import configure_logging, last_lines, name_study
from nas.jobs.outcome import FAILED, TEMPORARY, DriverOutcome
from nas.jobs.processes import take_url
from nas.jobs.running_driver import DriverEnd, RunningDriver
from nas.jobs.standing import JobStanding
from storage import FencedError, JobLease, JobState, LeaseKeeper, Ledger, StorageFault

logger = logging.getLogger("nas.jobs.supervisor")  # the name of a module that is run is __main__

LEASE_S: Final = 10.0
#: Restarts in a row without a newly finished trial, after which the job fails.
MAX_FRUITLESS: Final = 5
#: The same while something cannot be reached, which may take minutes to come back.
MAX_UNREACHABLE: Final = 10
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
_LINES_OF_REASON: Final = 5
_UNREACHABLE: Final = 5


@dataclass(slots=True)
class _Restarts:
    """Restarts of a job: all, and those since the last progress."""

    count: int
    fruitless: int = 0

    @property
    def pause_s(self) -> float:
        """Time before the next start, doubled with each that brought nothing."""
        return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (self.fruitless - 1)))


class Supervisor:
    """Sees to one job, whose lease it holds, until that ends or is paused."""

    def __init__(self, ledger: Ledger, lease: JobLease, *, url: str) -> None:
        job = ledger.job(lease.job_id)
        name_study(job.study)
        self._lease, self._url, self._log = lease, url, job.log
        self._standing = JobStanding(ledger, job)
        self._restarts = _Restarts(count=job.restarts)
        self._keeper = LeaseKeeper(ledger.renew_job, lease)
        self._driver: RunningDriver | None = None
        self._is_ending = threading.Event()

    def run(self) -> None:
        """See to the job.

        Raises:
            FencedError: another supervisor took the job; its driver was told to end.
            StorageFault: the last state could not be written for a long time.
        """
        with self._keeper:
            self._standing.note(self._lease, JobState.RUNNING)
            outcome = self._supervised()
            self._standing.finish(self._lease, outcome, is_lost=lambda: self._keeper.lost)

    def end(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: the driver gets it too, pauses, and is not started again."""
        del frame
        self._is_ending.set()
        if self._driver is not None:
            self._driver.send(number)

    def _supervised(self) -> DriverOutcome:
        """Run drivers until one ends as it was meant to, or none is to be started again."""
        while True:
            before = self._standing.num_ended()
            ended = self._run_driver()
            if ended.outcome is not None and ended.code != TEMPORARY:
                return ended.outcome
            if ended.outcome is not None and ended.outcome.state is JobState.PAUSED:
                return ended.outcome  # the disk is full: nothing that another start would change
            has_progress = self._standing.num_ended() > before
            self._restarts.fruitless = 1 if has_progress else self._restarts.fruitless + 1
            if self._restarts.fruitless > _most_restarts(ended):
                return self._given_up(ended)
            logger.warning("%s; it starts again in %g s", ended, self._restarts.pause_s)
            halt = self._wait_before_restart()
            if halt is not None:
                return halt
            self._restarts.count += 1
            self._standing.note(self._lease, JobState.RUNNING, restarts=self._restarts.count)

    def _run_driver(self) -> DriverEnd:
        """Run a driver to its end; it is told to end when the job was taken."""
        self._driver = driver = RunningDriver.start(self._lease.job_id, url=self._url)
        logger.info("driver %d started", driver.pid)
        if self._is_ending.is_set():  # the signal came before there was a driver
            driver.send(signal.SIGTERM)
        is_told = False
        while not driver.has_ended():
            if self._keeper.lost and not is_told:
                driver.send(signal.SIGTERM)
                is_told = True
        return driver.end()

    def _wait_before_restart(self) -> DriverOutcome | None:
        """Pause; what the job ends with if a halt is asked for meanwhile, or the job was taken."""
        remaining_s = self._restarts.pause_s
        while True:
            if self._is_ending.is_set() or self._keeper.lost:
                return DriverOutcome(state=JobState.PAUSED, reason="its supervisor was told to end")
            halt = self._standing.asked_halt()
            if halt is not None:
                return halt
            if remaining_s <= 0:
                return None
            self._is_ending.wait(min(0.5, remaining_s))
            remaining_s -= 0.5

    def _given_up(self, ended: DriverEnd) -> DriverOutcome:
        lines = [] if self._log is None else last_lines(self._log, _LINES_OF_REASON)
        why = f"given up after {_most_restarts(ended)} restarts without a finished trial: {ended}"
        code = _UNREACHABLE if ended.code == TEMPORARY else FAILED
        return DriverOutcome(state=JobState.FAILED, search_code=code, reason="\n".join([why, *lines]))


def _most_restarts(ended: DriverEnd) -> int:
    return MAX_UNREACHABLE if ended.code == TEMPORARY else MAX_FRUITLESS


def main(arguments: Sequence[str] | None = None) -> int:
    """See to a job; 0 when its state was written."""
    parser = argparse.ArgumentParser(
        prog="python -m nas.jobs.supervisor", description="Keep the driver of a job running."
    )
    parser.add_argument("job", type=int, help="number of the job")
    job_id = parser.parse_args(arguments).job
    configure_logging(job=job_id)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    url = take_url()
    try:
        with Ledger.open(url) as ledger:
            owner = f"{socket.gethostname()}/{os.getpid()}"
            lease = ledger.claim_job(job_id, owner=owner, seconds=LEASE_S)
            supervisor = Supervisor(ledger, lease, url=url)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, supervisor.end)
            try:
                supervisor.run()
            finally:
                ledger.release_job(lease)
    except FencedError as error:
        logger.error("job %d was taken by another supervisor: %s", job_id, error)
        return FAILED
    except StorageFault as error:
        logger.error("job %d: %s", job_id, error)
        return TEMPORARY
    return 0


if __name__ == "__main__":
    sys.exit(main())
