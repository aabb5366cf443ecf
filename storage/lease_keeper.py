"""Renews a lease beside the work."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Protocol, Self

from .errors import FencedError, StorageFault, UnknownStudyError
from .records import Lease

_RENEWALS_PER_LEASE = 3
_TRIES_PER_LEASE = 10
_log = logging.getLogger(__name__)


class Renewer(Protocol):
    """The part of the ledger that a keeper needs."""

    def renew(self, lease: Lease) -> None:
        """Counts the lease anew; raises FencedError when it is over."""


class LeaseKeeper:
    """Context manager with a thread that renews a lease at every third of its time.

    A renewal that fails is tried again and never ends any work: only fencing decides. `lost` turns true
    when another driver has the study; the keeper then stops. Leaving it does not release the lease.
    """

    def __init__(self, ledger: Renewer, lease: Lease) -> None:
        self._ledger = ledger
        self._lease = lease
        self._stopped = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{lease.study_id}", daemon=True)

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
        pause_s = self._lease.seconds / _RENEWALS_PER_LEASE
        while not self._stopped.wait(pause_s):
            pause_s = self._lease.seconds / _RENEWALS_PER_LEASE
            try:
                self._ledger.renew(self._lease)
            except (FencedError, UnknownStudyError) as error:
                _log.error("study %s: %s", self._lease.study_id, error)
                self._lost.set()
                return
            except StorageFault as error:
                pause_s = self._lease.seconds / _TRIES_PER_LEASE
                _log.warning("study %s: lease not renewed, next try soon: %s", self._lease.study_id, error)
