"""Leases of studies: one driver proposes at a time, and only the epoch decides which."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, select, type_coerce

from .columns import UtcSeconds, database_clock
from .errors import FencedError, LeaseHeldError, UnknownStudyError
from .events import EventKind, add_event
from .holding import release_hold, renew_hold, take
from .records import Lease
from .tables import study

IS_HELD = and_(study.c.owner.is_not(None), study.c.lease_until_s > database_clock())
"""Whether the lease of a study is not over, by the clock of the database."""

_LOCKED_COLUMNS = (
    study.c.epoch,
    study.c.owner,
    type_coerce(database_clock(), UtcSeconds()).label("now"),
)
# Built once: building a statement takes longer than running it. SQLite has no FOR UPDATE and needs none:
# BEGIN IMMEDIATE has locked the file.
_LOCK_STUDY = select(*_LOCKED_COLUMNS).where(study.c.id == bindparam("at_study")).with_for_update()
_LOCK_NAMED = select(study.c.id).where(study.c.name == bindparam("at_name")).with_for_update()


def lock_study(connection: Connection, study_id: int) -> datetime:
    """Locks the row of a study against every other writer of that study; returns the time.

    Raises:
        UnknownStudyError: there is none of that number.
    """
    return _time_of(_locked_row(connection, study_id))


def lock_named_study(connection: Connection, name: str) -> None:
    """Locks the row of the study of that name, if there is one, against every other writer of it."""
    connection.execute(_LOCK_NAMED, {"at_name": name}).one_or_none()


def fence(connection: Connection, lease: Lease) -> datetime:
    """Locks the study for the holder of the current lease; returns the time.

    Raises:
        FencedError: the lease is over.
        UnknownStudyError: the study was deleted.
    """
    row = _locked_row(connection, lease.study_id)
    if (row.epoch, row.owner) != (lease.epoch, lease.owner):
        raise FencedError(lease.study_id, lease.epoch, row.epoch, row.owner)
    return _time_of(row)


def acquire(connection: Connection, name: str, *, owner: str, seconds: float) -> Lease:
    """Takes a study that nobody holds; the epoch counts the takings.

    Raises:
        LeaseHeldError: somebody holds it.
        UnknownStudyError: there is none of that name.
    """
    returning = (study.c.id, study.c.epoch)
    row = take(connection, study, study.c.name == name, owner=owner, seconds=seconds, returning=returning)
    if row is None:
        raise _refusal(connection, name)
    lease = Lease(study_id=row.id, owner=owner, epoch=row.epoch, seconds=seconds)
    add_event(connection, lease.study_id, EventKind.LEASE_ACQUIRED, {"owner": owner, "epoch": lease.epoch})
    return lease


def renew(connection: Connection, lease: Lease) -> None:
    """Counts the seconds of the lease anew from now.

    Raises:
        FencedError: the lease is over.
    """
    if not renew_hold(connection, study, lease.study_id, lease):
        fence(connection, lease)


def release(connection: Connection, lease: Lease) -> None:
    """Gives the study back; a lease that is over already needs no release."""
    if release_hold(connection, study, lease.study_id, lease):
        payload = {"owner": lease.owner, "epoch": lease.epoch}
        add_event(connection, lease.study_id, EventKind.LEASE_RELEASED, payload)


def check_free(connection: Connection, name: str) -> None:
    """Raises LeaseHeldError while a driver holds the study."""
    row = _holder(connection, name)
    if row is not None and row.owner is not None and row.remaining_s > 0:
        raise LeaseHeldError(name, row.owner, row.remaining_s)


def unknown_study(connection: Connection, given: str | int) -> UnknownStudyError:
    """The error for a study that is not there, with the newest of those that are."""
    known = connection.execute(select(study.c.name).order_by(study.c.id.desc()).limit(20)).scalars()
    return UnknownStudyError(given, tuple(known))


def _refusal(connection: Connection, name: str) -> Exception:
    row = _holder(connection, name)
    if row is None:
        return unknown_study(connection, name)
    return LeaseHeldError(name, row.owner, max(0.0, row.remaining_s))


def _holder(connection: Connection, name: str) -> Row[Any, Any] | None:
    remaining_s = (study.c.lease_until_s - database_clock()).label("remaining_s")
    return connection.execute(select(study.c.owner, remaining_s).where(study.c.name == name)).one_or_none()


def _locked_row(connection: Connection, study_id: int) -> Row[Any]:
    row = connection.execute(_LOCK_STUDY, {"at_study": study_id}).one_or_none()
    if row is None:
        raise unknown_study(connection, study_id)
    return row


def _time_of(row: Row[Any]) -> datetime:
    now: datetime = row.now
    return now
