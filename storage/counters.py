"""Counters of a study: which number the next trial gets, and how many trials were told.

Counting up also locks the row of the study until the transaction ends, which spares a statement. What is
rolled back was not counted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Update, bindparam, type_coerce, update

from .columns import UtcSeconds, database_clock
from .leases import fence, lock_study
from .records import Lease
from .tables import study


class Claim(NamedTuple):
    """The first of the numbers and of the orders of telling that were claimed, and the time."""

    first_number: int
    first_order: int
    now: datetime


# Built once: building a statement takes longer than running it.
_NUMBERS, _ORDERS = bindparam("numbers", type_=Integer), bindparam("orders", type_=Integer)
_COUNT = (
    update(study)
    .where(
        study.c.id == bindparam("at_study"),
        study.c.told_count + _ORDERS <= study.c.next_number + _NUMBERS,
    )
    .values(next_number=study.c.next_number + _NUMBERS, told_count=study.c.told_count + _ORDERS)
    .returning(
        study.c.next_number - _NUMBERS,
        study.c.told_count - _ORDERS,
        type_coerce(database_clock(), UtcSeconds()),
    )
)
_COUNT_AS_HOLDER = _COUNT.where(
    study.c.epoch == bindparam("at_epoch"), study.c.owner == bindparam("at_owner")
)


def claim(connection: Connection, lease: Lease, *, numbers: int = 0, orders: int = 0) -> Claim | None:
    """Counts up as the holder of the study; None when there are not so many trials to tell.

    Raises:
        FencedError: the lease is over.
        UnknownStudyError: the study was deleted.
    """
    holder = {"at_study": lease.study_id, "at_epoch": lease.epoch, "at_owner": lease.owner}
    claimed = _counted(connection, _COUNT_AS_HOLDER, holder | {"numbers": numbers, "orders": orders})
    if claimed is None:
        fence(connection, lease)
    return claimed


def claim_order(connection: Connection, study_id: int) -> Claim | None:
    """Claims the next order of telling, without a lease; None when every trial was told.

    Raises:
        UnknownStudyError: there is none of that number.
    """
    claimed = _counted(connection, _COUNT, {"at_study": study_id, "numbers": 0, "orders": 1})
    if claimed is None:
        lock_study(connection, study_id)
    return claimed


def return_claim(connection: Connection, study_id: int, *, numbers: int = 0, orders: int = 0) -> None:
    """Gives back what the same transaction claimed."""
    _counted(connection, _COUNT, {"at_study": study_id, "numbers": -numbers, "orders": -orders})


def _counted(connection: Connection, statement: Update, parameters: dict[str, Any]) -> Claim | None:
    row = connection.execute(statement, parameters).one_or_none()
    return None if row is None else Claim(*row)
