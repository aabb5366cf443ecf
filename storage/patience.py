"""Waiting for a database that is away, so that a search outlives its outage."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Self, TypeVar

from sqlalchemy import Connection, Engine

from .database import Database, is_in_doubt
from .errors import UnreachableError, UnusableError
from .ledger import Ledger

OUTAGE_SECONDS: Final = 600.0
"""How long a database may be away before a driver gives up, unless it is told otherwise."""

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 5.0
_RETRY_DELAYS_S: Final = (0.05, 0.1)  # what waits for long need not try hard at each try

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


class Patience:
    """How long one thread waits for its database, and what it does meanwhile.

    Args:
        outage_s: seconds that one outage may last.
        wait: called with the seconds until the next try; other work may be done in it.
        gives_up: asked before each try whether to wait no longer.
    """

    def __init__(
        self,
        outage_s: float = OUTAGE_SECONDS,
        *,
        wait: Callable[[float], None] = time.sleep,
        gives_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._outage_s, self._wait, self._gives_up = outage_s, wait, gives_up
        self._thread = threading.get_ident()
        self._is_over = False

    @property
    def is_owned(self) -> bool:
        """Whether the calling thread is the one that waits; calls of others fail at once, as ever."""
        return threading.get_ident() == self._thread

    def end(self) -> None:
        """Wait no longer, from now on."""
        self._is_over = True

    def outlast(
        self, call: Callable[[], _Result], *, may_repeat: Callable[[UnreachableError], bool]
    ) -> _Result:
        """The result of a call, made again while the database can't be reached and it may be repeated.

        Raises:
            UnreachableError: the outage lasted too long; the next call then raises at once too.
        """
        until, pause_s = None, FIRST_PAUSE_S
        while True:
            try:
                return call()
            except UnreachableError as error:
                until = until or time.monotonic() + self._outage_s
                if self._is_over or self._gives_up() or time.monotonic() >= until or not may_repeat(error):
                    self._is_over = True
                    raise
                _log.warning("%s; what ended is kept, next try in %.2g s", error, pause_s)
            try:
                self._wait(pause_s)
            except BaseException:  # an interrupt: what is left to write must not wait either
                self._is_over = True
                raise
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


class PatientLedger(Ledger):
    """A ledger for the thread of a driver: its calls wait until the database is back.

    A call that may have been written already is repeated only where that changes nothing, as the ledger says
    of each; any other then raises. It shares the connections of the ledger that it is made of.
    """

    @classmethod
    def of(cls, ledger: Ledger, patience: Patience) -> Self:
        """The same database, waited for with patience."""
        return cls(_PatientDatabase(ledger._database.engine, patience))


class _PatientDatabase(Database):
    """Runs an operation again and again during an outage, if it belongs to the patient thread."""

    def __init__(self, engine: Engine, patience: Patience) -> None:
        super().__init__(engine, retry_delays_s=_RETRY_DELAYS_S)
        self._patience = patience

    def _run(self, operation: Callable[[Connection], _Result], *, writes: bool, idempotent: bool) -> _Result:
        def run() -> _Result:
            return super(_PatientDatabase, self)._run(operation, writes=writes, idempotent=idempotent)

        def may_repeat(error: UnreachableError) -> bool:
            return not isinstance(error, UnusableError) and (idempotent or not is_in_doubt(error))

        if not self._patience.is_owned:
            return run()
        return self._patience.outlast(run, may_repeat=may_repeat)
