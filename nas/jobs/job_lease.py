"""Keeping the lease of a job."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Final, Self

from storage import FencedError, JobLease, Ledger, StorageFault, UnknownJobError

logger = logging.getLogger(__name__)

_RENEWALS_PER_LEASE: Final = 4


class JobKeeper:
    """Context manager with a thread that renews the lease of a job; leaving it does not release that.

    A renewal that fails is tried again and ends nothing: a lease that is over stays good until somebody
    else takes the job.
    """

    def __init__(self, ledger: Ledger, lease: JobLease) -> None:
        self._ledger, self._lease = ledger, lease
        self._stopped, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"job-lease-{lease.job_id}", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether another supervisor has the job."""
        return self._lost.is_set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopped.wait(self._lease.seconds / _RENEWALS_PER_LEASE):
            try:
                self._ledger.renew_job(self._lease)
            except (FencedError, UnknownJobError) as error:
                logger.error("%s", error)
                self._lost.set()
                return
            except StorageFault as error:
                logger.warning("job %d: lease not renewed, next try soon: %s", self._lease.job_id, error)
