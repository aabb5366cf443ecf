"""A ledger that tells how long each of its transactions took, and which the database failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, Self, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine

from .database import RETRY_DELAYS_S, Database
from .errors import DiskFullError, ReadOnlyError, StorageFault, UnreachableError
from .ledger import Ledger

Kind: TypeAlias = Literal["read", "write"]
Observer: TypeAlias = Callable[[Kind, float, StorageFault | None], None]
"""Called after a transaction with its kind, the seconds of all its tries, and the database's failure if any.

What a caller asked for wrongly, such as a study that there is not, is no failure.
"""

PATIENT_DELAYS_S = (*RETRY_DELAYS_S, *6 * RETRY_DELAYS_S[-1:])
"""Pauses between tries of what people wait for: some 13 s, in which a killed PostgreSQL comes back."""

_Result = TypeVar("_Result")


class ObservedLedger(Ledger):
    """A ledger whose transactions are observed; it shares the connections of the one that it is made of."""

    @classmethod
    def of(
        cls, ledger: Ledger, observer: Observer, *, retry_delays_s: Sequence[float] = PATIENT_DELAYS_S
    ) -> Self:
        """The same database, observed; threads call the observer at once."""
        return cls(_ObservedDatabase(ledger._database.engine, observer, retry_delays_s))


class _ObservedDatabase(Database):
    """Runs operations as any other, and measures them."""

    def __init__(self, engine: Engine, observer: Observer, retry_delays_s: Sequence[float]) -> None:
        super().__init__(engine, retry_delays_s=retry_delays_s)
        self._observer = observer

    def _run(self, operation: Callable[[Connection], _Result], *, writes: bool, idempotent: bool) -> _Result:
        kind: Kind = "write" if writes else "read"
        failed: StorageFault | None = None
        began = time.perf_counter()
        try:
            return super()._run(operation, writes=writes, idempotent=idempotent)
        except (UnreachableError, DiskFullError, ReadOnlyError) as fault:
            failed = fault
            raise
        finally:
            self._observer(kind, time.perf_counter() - began, failed)
