"""What a supervisor reads and writes of its job, while the database comes and goes."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Final

from nas.jobs.kinds import SEARCH
from nas.jobs.outcome import DriverOutcome
from storage import (
    FencedError,
    JobLease,
    JobRecord,
    JobRequest,
    JobState,
    JobStateError,
    Lease,
    LeaseHeldError,
    Ledger,
    StorageFault,
    StudyState,
    TrialState,
    UnknownJobError,
    UnknownStudyError,
)

logger = logging.getLogger(__name__)

#: How long a state that must be written is tried while the database cannot be reached.
OUTAGE_S: Final = 600.0
_SECONDS_BETWEEN_TRIES: Final = 2.0
_ENDED: Final = (TrialState.DONE, TrialState.FAILED, TrialState.PAUSED)
_STUDY_STATES: Final = {
    JobState.PAUSED: StudyState.PAUSED,
    JobState.CANCELLED: StudyState.CANCELLED,
    JobState.FAILED: StudyState.FAILED,
}
#: By the state of a study that is to be written, those that it takes the place of.
_UNSETTLED: Final = {
    StudyState.PAUSED: (StudyState.RUNNING,),
    StudyState.CANCELLED: (StudyState.RUNNING, StudyState.PAUSED),
    StudyState.FAILED: (StudyState.RUNNING,),
}
_HALTED: Final = {JobRequest.PAUSE: JobState.PAUSED, JobRequest.STOP: JobState.CANCELLED}


class JobStanding:
    """How a job stands; what cannot be read is what was read last."""

    def __init__(self, ledger: Ledger, job: JobRecord) -> None:
        self._ledger, self._job = ledger, job
        self._num_ended = 0

    def num_ended(self) -> int:
        """Trials of the study whose evaluation ended, well, badly or early; none of an export."""
        if self._job.kind != SEARCH:
            return 0
        try:
            study_id = self._ledger.study(self._job.study).id
            self._num_ended = len(self._ledger.trials(study_id, states=_ENDED))
        except UnknownStudyError:
            self._num_ended = 0  # it is made when the supernet is ready
        except StorageFault as error:
            logger.warning("job %d: its trials cannot be counted: %s", self._job.id, error)
        return self._num_ended

    def asked_halt(self) -> DriverOutcome | None:
        """What the job ends with while no driver runs, if its row asks for a halt."""
        try:
            self._job = self._ledger.job(self._job.id)
        except StorageFault as error:
            logger.warning("job %d: its commands cannot be read: %s", self._job.id, error)
        state = _HALTED.get(self._job.request)
        return None if state is None else DriverOutcome(state=state, reason="asked while no driver ran")

    def note(self, lease: JobLease, state: JobState, *, restarts: int | None = None) -> None:
        """Write the state, unless the database cannot be reached now.

        Raises:
            FencedError: another supervisor has the job.
        """
        try:
            self._ledger.set_job_state(lease, state, restarts=restarts)
        except FencedError:
            raise
        except StorageFault as error:
            logger.warning("job %d: its state was not written: %s", lease.job_id, error)

    def finish(self, lease: JobLease, outcome: DriverOutcome, *, is_lost: Callable[[], bool]) -> None:
        """Write how the job ended, as soon as the database can be reached.

        Raises:
            FencedError: another supervisor has the job.
            StorageFault: the database could not be used for the whole time.
        """
        give_up = time.monotonic() + OUTAGE_S
        while True:
            try:
                self._ledger.renew_job(lease)
                settle_study(self._ledger, self._job, outcome.state, outcome.reason)
                self._ledger.set_job_state(
                    lease, outcome.state, reason=outcome.reason, exit_code=outcome.search_code
                )
            except (FencedError, JobStateError, UnknownJobError):
                raise
            except StorageFault as error:
                if time.monotonic() > give_up or is_lost():
                    raise
                logger.warning("job %d: its last state waits for the database: %s", lease.job_id, error)
                time.sleep(_SECONDS_BETWEEN_TRIES)
            else:
                logger.info("job %d: %s", lease.job_id, outcome.state.value.lower())
                return


def settle_study(ledger: Ledger, job: JobRecord, state: JobState, reason: str | None) -> None:
    """Write into a study how its search ended, where no driver did: one that was killed left it running.

    Jobs of other kinds leave the study as it is.

    Raises:
        StorageFault: the database cannot be used.
    """
    wanted, name = _STUDY_STATES.get(state) if job.kind == SEARCH else None, job.study
    try:
        if wanted is None or ledger.study(name).state not in _UNSETTLED[wanted]:
            return
        lease = _acquired(ledger, name)
    except UnknownStudyError:
        return
    except LeaseHeldError as error:
        logger.warning("study %r keeps its state: %s", name, error)
        return
    try:
        ledger.set_study_state(lease, wanted, reason)
    finally:
        ledger.release(lease)


def _acquired(ledger: Ledger, name: str) -> Lease:
    """The lease of a study, for which that of a dead driver is waited out."""
    owner = f"{socket.gethostname()}/{os.getpid()}"
    try:
        return ledger.acquire(name, owner=owner)
    except LeaseHeldError as error:
        time.sleep(error.remaining_s + 0.1)
        return ledger.acquire(name, owner=owner)
