"""What a database error means: try again, give up, or free some disk."""

from __future__ import annotations

import sqlite3
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from .errors import DiskFullError, ReadOnlyError, StorageFault, UnreachableError, UnusableError

_SQLITE_PRIMARY_CODE = 0xFF
_SQLITE_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_UNUSABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_POSTGRES_READ_ONLY = {"25006", "42501"}  # a standby or a setting; a right that was not granted
_POSTGRES_ROLLED_BACK = {"40001", "40P01", "55P03", "57014"}  # conflict, deadlock, lock or statement timeout


class Failure(Enum):
    """Kinds of database errors that are told apart."""

    ROLLED_BACK = auto()  # somebody else was in the way; nothing was written
    LOST = auto()
    UNUSABLE = auto()  # and it will be so the next time
    DISK_FULL = auto()
    READ_ONLY = auto()
    OTHER = auto()


def failure_of(error: DBAPIError) -> Failure:
    """The kind of an error, by the codes of the drivers and never by their texts."""
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_failure(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    if state in _POSTGRES_ROLLED_BACK:
        return Failure.ROLLED_BACK
    if state == "53100":
        return Failure.DISK_FULL
    if state in _POSTGRES_READ_ONLY:
        return Failure.READ_ONLY
    if error.connection_invalidated or (state or "").startswith(("08", "53", "57P")):
        return Failure.LOST
    # Without a state there was no answer: nobody listens there, or the network is cut.
    is_silent = state is None and isinstance(error, OperationalError | InterfaceError)
    return Failure.LOST if is_silent else Failure.OTHER


def translated(error: DBAPIError, url: str) -> StorageFault | None:
    """The error to raise in its place, None where the driver's own says it best."""
    problem = str(error.orig).strip()
    match failure_of(error):
        case Failure.DISK_FULL:
            return DiskFullError(url, problem)
        case Failure.READ_ONLY:
            return ReadOnlyError(url, problem)
        case Failure.ROLLED_BACK | Failure.LOST:
            return UnreachableError(url, problem)
        case Failure.UNUSABLE:
            return UnusableError(url, problem)
        case Failure.OTHER:
            return None


def is_duplicate(error: IntegrityError) -> bool:
    """Whether a row was refused because an equal one is stored."""
    if isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    return getattr(error.orig, "sqlstate", None) == "23505"


def _sqlite_failure(error: sqlite3.Error) -> Failure:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    primary = code & _SQLITE_PRIMARY_CODE
    if primary in _SQLITE_LOCKED:
        return Failure.ROLLED_BACK
    # The index of the WAL is grown with a call of its own, which reports a full disk in its own way.
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return Failure.DISK_FULL
    if primary == sqlite3.SQLITE_READONLY:
        return Failure.READ_ONLY
    if primary in _SQLITE_UNUSABLE:
        return Failure.UNUSABLE
    return Failure.LOST if primary == sqlite3.SQLITE_IOERR else Failure.OTHER
