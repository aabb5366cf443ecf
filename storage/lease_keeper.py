"""Renews a lease beside the work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from .errors import FencedError, StorageFault, UnknownJobError, UnknownStudyError
from .job_records import JobLease
from .records import Lease

_RENEWALS_PER_LEASE = 3
_TRIES_PER_LEASE = 10
_log = logging.getLogger(__name__)

_AnyLease = TypeVar("_AnyLease", Lease, JobLease)


class LeaseKeeper:
    """Context manager with a thread that renews a lease at every third of its time.

    A renewal that fails is tried again and never ends any work: only fencing decides. `lost` turns true
    when another process has the study or job; the keeper then stops. Leaving it does not release the lease.

    Args:
        renew: `Ledger.renew` or `Ledger.renew_job`.
        lease: of a study or of a job.
    """

    def __init__(self, renew: Callable[[_AnyLease], None], lease: _AnyLease) -> None:
        self._renew: Callable[[], None] = partial(renew, lease)
        self._subject, self._seconds = lease.subject, lease.seconds
        self._stopped = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{lease.subject}", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether the lease is over for good."""
        return self._lost.is_set()

    def wait_until_lost(self, timeout_s: float) -> bool:
        """Waits for the loss of the lease; whether it is lost."""
        return self._lost.wait(timeout_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _keep(self) -> None:
        pause_s = self._seconds / _RENEWALS_PER_LEASE
        while not self._stopped.wait(pause_s):
            pause_s = self._seconds / _RENEWALS_PER_LEASE
            try:
                self._renew()
            except (FencedError, UnknownStudyError, UnknownJobError) as error:
                _log.error("%s: %s", self._subject, error)
                self._lost.set()
                return
            except StorageFault as error:
                pause_s = self._seconds / _TRIES_PER_LEASE
                _log.warning("%s: lease not renewed, next try soon: %s", self._subject, error)
