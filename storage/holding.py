"""Rows that one process at a time holds: a study by its driver, a job by its supervisor.

Time plays no part in safety: a lease that is over stays good until somebody else takes the row, and then
never again, because only the epoch decides. Lease times come from the clock of the database, so that
processes need not agree on one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, and_, or_, update

from .columns import database_clock

NEVER_HELD = 0.0
"""The `lease_until_s` of a row that nobody holds."""


class Held(Protocol):
    """What leases have in common."""

    @property
    def owner(self) -> str:
        """The holder, as it named itself."""

    @property
    def epoch(self) -> int:
        """Counts the holders."""

    @property
    def seconds(self) -> float:
        """Time without renewal after which the row may be taken."""


def take(
    connection: Connection,
    table: Table,
    is_wanted: ColumnElement[bool],
    *,
    owner: str,
    seconds: float,
    returning: Sequence[Column[Any]],
) -> Row[Any] | None:
    """Takes a row that nobody holds and counts its epoch up; None when there is no such row."""
    is_free = or_(table.c.owner.is_(None), table.c.lease_until_s <= database_clock())
    return connection.execute(
        update(table)
        .where(is_wanted, is_free)
        .values(epoch=table.c.epoch + 1, owner=owner, lease_until_s=database_clock() + seconds)
        .returning(*returning)
    ).one_or_none()


def renew_hold(connection: Connection, table: Table, row_id: int, lease: Held) -> bool:
    """Counts the seconds of a lease anew from now; False when it is over."""
    renewal = update(table).where(_is_current(table, row_id, lease))
    renewed = connection.execute(renewal.values(lease_until_s=database_clock() + lease.seconds))
    return renewed.rowcount > 0


def release_hold(connection: Connection, table: Table, row_id: int, lease: Held) -> bool:
    """Gives the row back; False when the lease is over already."""
    released = update(table).where(_is_current(table, row_id, lease))
    return connection.execute(released.values(owner=None, lease_until_s=NEVER_HELD)).rowcount > 0


def _is_current(table: Table, row_id: int, lease: Held) -> ColumnElement[bool]:
    return and_(table.c.id == row_id, table.c.epoch == lease.epoch, table.c.owner == lease.owner)
