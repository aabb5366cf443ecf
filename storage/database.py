"""The one transaction scope and the one place that retries."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, literal, select
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from .engine import begin_write
from .errors import UnreachableError
from .failures import Failure, failure_of, translated
from .location import shown

RETRY_DELAYS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Pauses between tries: together longer than PostgreSQL takes to restart."""

RETRY_LIMIT_S = 60.0
"""No new try later than this: a locked SQLite file has cost its busy timeout on each."""

_NOTHING = select(literal(1))
_Result = TypeVar("_Result")
_Operation = Callable[[Connection], _Result]
_log = logging.getLogger(__name__)


class _CommitLostError(Exception):
    """The connection broke at COMMIT: whether it happened is not known."""


class Database:
    """Runs operations in short transactions; threads may share it, processes may not.

    An operation takes a connection, may run several times, and must have no effect but on the database.
    """

    def __init__(self, engine: Engine, *, retry_delays_s: Sequence[float] = RETRY_DELAYS_S) -> None:
        self._engine = engine
        self._retry_delays_s = tuple(retry_delays_s)

    @property
    def url(self) -> str:
        """The URL without its password."""
        return shown(self._engine.url)

    @property
    def engine(self) -> Engine:
        """What another database object on the same connections is made of."""
        return self._engine

    def close(self) -> None:
        """Closes the idle connections; those in use close when they come back."""
        self._engine.dispose()

    def open_connections(self) -> int:
        """Connections that are in use now."""
        pool = self._engine.pool
        assert isinstance(pool, QueuePool)
        return pool.checkedout()

    def read(self, operation: _Operation[_Result]) -> _Result:
        """Runs a reading operation, also again when the connection is lost.

        On SQLite each of its statements sees what is committed by then: there is no transaction around them.
        """
        return self._run(operation, writes=False, idempotent=True)

    def write(self, operation: _Operation[_Result], *, idempotent: bool = False) -> _Result:
        """Runs a writing operation as one transaction.

        It is run again after a lock, or a connection lost before COMMIT; after a connection lost at
        COMMIT only when it is `idempotent`, because it may have happened.

        Raises:
            UnreachableError: the tries are used up, or it is not known whether it happened.
            DiskFullError: the transaction was rolled back for want of space.
            ReadOnlyError: the database takes no writes.
            ValueError: a value can't be stored.
        """
        return self._run(operation, writes=True, idempotent=idempotent)

    def _run(self, operation: _Operation[_Result], *, writes: bool, idempotent: bool) -> _Result:
        limit = time.monotonic() + RETRY_LIMIT_S
        for delay_s in self._retry_delays_s:
            try:
                return _in_transaction(self._engine, operation, writes=writes)
            except (DBAPIError, _CommitLostError) as error:
                if not _is_worth_retrying(error, idempotent) or time.monotonic() + delay_s > limit:
                    self._raise_fault(error)
                _log.warning("database %s: %s; next try in %.2f s", self.url, _problem(error), delay_s)
            except (StatementError, PoolTimeoutError) as error:
                self._raise_fault(error)
            time.sleep(delay_s)
        return self._last_try(operation, writes=writes)

    def _last_try(self, operation: _Operation[_Result], *, writes: bool) -> _Result:
        try:
            return _in_transaction(self._engine, operation, writes=writes)
        except (StatementError, _CommitLostError, PoolTimeoutError) as error:
            self._raise_fault(error)

    def _raise_fault(self, error: Exception) -> NoReturn:
        fault = _fault(error, self.url)
        if fault is None:
            raise error
        raise fault from error


def readable(connection: Connection) -> None:
    """An operation that reads nothing, to see whether there is an answer."""
    connection.execute(_NOTHING)


def is_in_doubt(error: UnreachableError) -> bool:
    """Whether the operation may have been written: the connection broke at COMMIT."""
    return isinstance(error.__cause__, _CommitLostError)


def _in_transaction(engine: Engine, operation: _Operation[_Result], *, writes: bool) -> _Result:
    with engine.connect() as connection:
        transaction = connection.begin()
        try:
            if writes:
                begin_write(connection)
            result = operation(connection)
        except BaseException:
            transaction.rollback()
            raise
        try:
            transaction.commit()
        except DBAPIError as error:
            if failure_of(error) is Failure.LOST:
                raise _CommitLostError from error
            raise
        return result


def _fault(error: Exception, url: str) -> Exception | None:
    """The error of this package, or of Python, that stands for one of SQLAlchemy."""
    if isinstance(error, _CommitLostError):
        return UnreachableError(url, f"{_problem(error)}, so it may or may not have been written")
    if isinstance(error, DBAPIError):
        return translated(error, url)
    if isinstance(error, StatementError) and isinstance(error.orig, TypeError | ValueError):
        return ValueError(f"a value can't be stored: {error.orig}")
    return UnreachableError(url, str(error)) if isinstance(error, PoolTimeoutError) else None


def _is_worth_retrying(error: Exception, idempotent: bool) -> bool:
    if isinstance(error, _CommitLostError):
        return idempotent
    return isinstance(error, DBAPIError) and failure_of(error) in {Failure.ROLLED_BACK, Failure.LOST}


def _problem(error: BaseException) -> str:
    if isinstance(error, _CommitLostError):
        return f"the connection broke at COMMIT ({_problem(error.__cause__ or error)})"
    return str(getattr(error, "orig", error)).strip()
