"""What the row of a job asks of its driver."""

from __future__ import annotations

import logging
import os
import threading
from types import TracebackType
from typing import Final, Literal, Self

from nas.study.control import Command
from storage import JobRecord, JobRequest, Ledger, StorageFault

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_READS: Final = 1.0
_HALTS: Final[dict[JobRequest, Literal["pause", "stop"]]] = {
    JobRequest.PAUSE: "pause",
    JobRequest.STOP: "stop",
}


class JobControl:
    """A `Control` that a thread keeps up to date, so that a slow or lost database holds up no search.

    With a supervisor, the driver pauses when that is gone or another one has the job: nobody would see to
    it. While the database cannot be read, what it said last holds.

    Args:
        ledger: that holds the job, used by the thread.
        job: as it was read last.
        supervisor: process id of the parent that sees to the driver, if there is one.
    """

    def __init__(self, ledger: Ledger, job: JobRecord, *, supervisor: int | None = None) -> None:
        self._ledger, self._job, self._supervisor = ledger, job, supervisor
        self._command = self._asked(job)
        self._is_readable = True
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"job-{job.id}", daemon=True)

    def __call__(self) -> Command:
        """The command as it was read last."""
        return self._command

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.wait(SECONDS_BETWEEN_READS):
            if self._is_orphan():
                self._command = Command(halt="pause", reason="its supervisor is gone")
                logger.warning("job %d: its supervisor is gone; the search pauses", self._job.id)
                return
            self._read()

    def _read(self) -> None:
        try:
            job = self._ledger.job(self._job.id)
        except StorageFault as error:
            if self._is_readable:
                logger.warning("job %d: its commands cannot be read: %s", self._job.id, error)
            self._is_readable = False
            return
        self._is_readable = True
        command = self._asked(job)
        if command != self._command:
            logger.info("job %d: asked to %s, %s trials", job.id, job.request, job.trials)
            self._command = command

    def _asked(self, job: JobRecord) -> Command:
        if self._supervisor is not None and job.epoch != self._job.epoch:
            return Command(halt="pause", reason="another supervisor has the job")
        halt = _HALTS.get(job.request)
        reason = None if halt is None else f"asked by `nas search {halt}`"
        return Command(n_trials=job.trials, halt=halt, reason=reason)

    def _is_orphan(self) -> bool:
        return self._supervisor is not None and os.getppid() != self._supervisor
