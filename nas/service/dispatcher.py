"""Starting what was accepted: a thread that gives each queued job of an account its supervisor.

The queue is the database, so a job whose submission was answered is started also when the service was killed
in between, and one whose supervisor died, as with its machine, is queued again. Of two services that start
the same job, the claim of the job's lease lets one supervisor go on.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nas.errors import ConfigError
from nas.jobs import requests
from nas.jobs.job_config import absolute_url
from nas.jobs.launching import close_job, start_supervisor
from nas.service.model_sources import check_stored
from nas.service.settings import ServiceSettings
from storage import JobRecord, JobState, Ledger, StorageFault

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS: Final = 1.0
#: Supervisors that ended before they took their job, after which it fails.
MAX_STARTS: Final = 3
#: A job is lost for so long before it is taken up; a supervisor that lives renews its lease meanwhile.
PATIENCE_S: Final = 10.0
#: Restarts of a job, those by its supervisor among them, after which it stays lost until it is resumed.
MAX_RESTARTS: Final = 5
_OPEN: Final = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)
_NOT_STARTED: Final = "its supervisor did not start; the log of the job may say why"


@dataclass(frozen=True, slots=True)
class _Started:
    """A supervisor of this service, and the epoch of its job when it was started."""

    process: subprocess.Popen[bytes]
    epoch: int


class Dispatcher:
    """Starts at most `limits.running_jobs` jobs of a kind at a time, the oldest first.

    Exports are counted apart, so that none waits for a search of hours. Jobs without an account were made by
    a command, which starts them itself. Supervisors outlive the service.
    """

    def __init__(self, ledger: Ledger, settings: ServiceSettings) -> None:
        self._ledger, self._settings = ledger, settings
        self._most = settings.limits.running_jobs
        self._url = absolute_url(settings.storage.url, Path.cwd())
        self._started: dict[int, _Started] = {}
        self._failures: Counter[int] = Counter()
        self._lost_since: dict[int, float] = {}
        self._is_closing, self._is_woken = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Look for queued jobs from now on."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether queued jobs are looked for."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End the thread; the jobs go on."""
        self._is_closing.set()
        self.wake()
        self._thread.join()

    def wake(self) -> None:
        """Look at once: a job was queued."""
        self._is_woken.set()

    def look(self) -> None:
        """One round: note which supervisors came up or died, and start those that there is room for.

        Raises:
            StorageFault: the database cannot be read.
        """
        jobs = self._open_jobs()
        self._settle({job.id: job for job in jobs})
        self._take_up([job for job in jobs if self._is_lost(job)])
        room = Counter[str]({job.kind: self._most for job in jobs})
        room.subtract(job.kind for job in jobs if job.is_alive or job.id in self._started)
        for job in jobs:
            if self._is_waiting(job) and room[job.kind] > 0:
                room[job.kind] -= 1
                self._start(job)

    def _follow(self) -> None:
        while not self._is_closing.is_set():
            try:
                self.look()
            except StorageFault as error:
                logger.warning("queued jobs wait for the database: %s", error)
            except Exception:  # the edge of the thread: without it nothing would be started any more
                logger.exception("queued jobs were not looked at; the next look is soon")
            self._is_woken.wait(SECONDS_BETWEEN_LOOKS)
            self._is_woken.clear()

    def _open_jobs(self) -> list[JobRecord]:
        try:
            return [job for job in self._ledger.jobs(states=_OPEN) if job.account is not None]
        except StorageFault:
            self._lost_since.clear()  # supervisors could not renew their leases either
            raise

    def _is_waiting(self, job: JobRecord) -> bool:
        is_queued = job.state is JobState.QUEUED and not job.is_alive
        return is_queued and job.id not in self._started

    def _is_lost(self, job: JobRecord) -> bool:
        is_silent = job.state is JobState.RUNNING and not job.is_alive and job.id not in self._started
        return is_silent and job.restarts < MAX_RESTARTS

    def _take_up(self, lost: list[JobRecord]) -> None:
        """Queue jobs again that have been lost for long; the next look starts them."""
        now = time.monotonic()
        self._lost_since = {job.id: self._lost_since.get(job.id, now) for job in lost}
        for job in lost:
            if now - self._lost_since[job.id] < PATIENCE_S:
                continue
            reason = f"its supervisor died; restart {job.restarts + 1} of {MAX_RESTARTS} at most"
            try:
                requests.take_up(self._ledger, job, reason)
            except StorageFault as error:  # another service was quicker, or the database is away
                logger.warning("job %d was not taken up: %s", job.id, error)
            else:
                logger.warning("job %d is queued again: %s", job.id, reason)

    def _start(self, job: JobRecord) -> None:
        try:
            check_stored(job.config, self._settings)
            process = start_supervisor(job, self._url)
        except ConfigError as error:
            logger.error("job %d was not started: %s", job.id, error)
            self._fail(job, str(error))
            return
        except OSError as error:
            logger.error("job %d: its supervisor did not start: %s", job.id, error)
            self._note_failure(job)
            return
        logger.info("job %d: supervisor %d started", job.id, process.pid)
        self._started[job.id] = _Started(process, job.epoch)

    def _settle(self, jobs: dict[int, JobRecord]) -> None:
        """Forget supervisors that took their job, or ended without it."""
        for job_id, started in list(self._started.items()):
            job = jobs.get(job_id)
            has_ended = started.process.poll() is not None
            has_job = job is None or job.epoch > started.epoch
            if has_ended:
                del self._started[job_id]
            if has_job:
                del self._failures[job_id]
            elif has_ended and job is not None:
                self._note_failure(job)

    def _note_failure(self, job: JobRecord) -> None:
        self._failures[job.id] += 1
        if self._failures[job.id] >= MAX_STARTS:
            self._fail(job, _NOT_STARTED)

    def _fail(self, job: JobRecord, reason: str) -> None:
        try:
            close_job(self._ledger, job, JobState.FAILED, reason)
        except StorageFault as error:  # another service has it, or the database is away: the next look tells
            logger.warning("job %d: %s", job.id, error)
