"""Targets by name: what `nas targets` registers, kept beside the studies that measure on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from .columns import database_clock
from .errors import UnknownTargetError
from .events import EventKind, add_event
from .records import TargetRecord
from .tables import target


def put_target(connection: Connection, name: str, definition: Mapping[str, Any]) -> TargetRecord:
    """Stores a definition in the place of an older one of that name; an equal one changes nothing.

    Raises:
        ValueError: the name is empty, or the definition is not JSON.
    """
    if not name:
        raise ValueError("the name of a target is empty: give it one")
    query = select(target).where(target.c.name == name).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None:
        row = {"name": name, "definition": dict(definition), "created_at": database_clock()}
        connection.execute(insert(target).values(**row))
    elif found.definition != dict(definition):
        changed = update(target).where(target.c.name == name).values(definition=dict(definition))
        connection.execute(changed)
    else:
        return _record(found)
    add_event(connection, None, EventKind.TARGET_STORED, {"target": name, "definition": dict(definition)})
    return read_target(connection, name)


def read_target(connection: Connection, name: str) -> TargetRecord:
    """The target of that name.

    Raises:
        UnknownTargetError: there is none.
    """
    row = connection.execute(select(target).where(target.c.name == name)).one_or_none()
    if row is None:
        raise _unknown(connection, name)
    return _record(row)


def read_targets(connection: Connection) -> list[TargetRecord]:
    """All targets by name."""
    return [_record(row) for row in connection.execute(select(target).order_by(target.c.name))]


def delete_target(connection: Connection, name: str) -> None:
    """Deletes a target; its measurements stay.

    Raises:
        UnknownTargetError: there is none of that name.
    """
    if connection.execute(delete(target).where(target.c.name == name)).rowcount == 0:
        raise _unknown(connection, name)
    add_event(connection, None, EventKind.TARGET_DELETED, {"target": name})


def _unknown(connection: Connection, name: str) -> UnknownTargetError:
    known = connection.execute(select(target.c.name).order_by(target.c.name).limit(20)).scalars()
    return UnknownTargetError(name, tuple(known))


def _record(row: Row[Any]) -> TargetRecord:
    return TargetRecord(**row._mapping)
