"""Revisions of the tables: what a database has, what this package needs, and the way there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, inspect, text

from .database import Database
from .engine import create_engine
from .errors import SchemaError, UpgradeError
from .location import parsed_url
from .tables import TABLE_PREFIX

VERSION_TABLE = "nas_alembic_version"
HEAD_REVISION = "0005"
"""Newest file of migrations/versions; revisions are numbers of four digits, so that they compare."""

_MIGRATIONS = Path(__file__).with_name("migrations")
_POSTGRES_LOCK = 0x6E61735F  # "nas_", any number that nobody else uses


def upgrade_database(url: str) -> tuple[str | None, str]:
    """Brings the tables of a database to the newest revision.

    Returns:
        The revision before, None where there were no tables, and the one after.

    All in one transaction: other processes see all of it or nothing.

    Raises:
        SchemaError: the database was written by a newer version of this package.
    """
    # SQLite changes a constraint by making the table anew. Foreign keys are checked once that is done.
    database = Database(create_engine(parsed_url(url), has_foreign_keys=False))
    try:
        return database.write(lambda connection: _upgrade(connection, database.url), idempotent=True)
    finally:
        database.close()


def current_revision(url: str) -> str | None:
    """Revision of the tables of a database; None where there are none."""
    database = Database(create_engine(parsed_url(url)))
    try:
        return database.read(revision_of)
    finally:
        database.close()


def check(database: Database, url: str, *, may_upgrade: bool) -> None:
    """Makes the tables in an empty database, and older ones new if allowed; `url` has the password.

    Raises:
        SchemaError: the tables are newer, or older and may not be upgraded.
    """
    found = database.read(lambda connection: _known_revision(connection, database.url))
    if found is None or (may_upgrade and found != HEAD_REVISION):
        upgrade_database(url)
    elif found != HEAD_REVISION:
        raise SchemaError(database.url, found, HEAD_REVISION)


def revision_of(connection: Connection) -> str | None:
    """Revision that the database bears."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    row: Row[Any] | None = connection.execute(text("SELECT version_num FROM nas_alembic_version")).first()
    return None if row is None else str(row[0])


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Alembic's filter of names: the tables of others in the same database are none of its business."""
    return kind != "table" or (name or "").startswith(TABLE_PREFIX)


def _known_revision(connection: Connection, url: str) -> str | None:
    """Revision of the database if this package can have written it, None if it has no tables of ours."""
    found = revision_of(connection)
    is_foreign = found is None and inspect(connection).has_table("nas_study")
    if is_foreign or (found is not None and found > HEAD_REVISION):
        raise SchemaError(url, found, HEAD_REVISION)
    return found


def _upgrade(connection: Connection, url: str) -> tuple[str | None, str]:
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
    before = _known_revision(connection, url)
    if before != HEAD_REVISION:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD_REVISION)
        _check_foreign_keys(connection, url)
    return before, HEAD_REVISION


def _check_foreign_keys(connection: Connection, url: str) -> None:
    """Keeps a migration from leaving rows that refer to nothing; PostgreSQL sees to that by itself."""
    if connection.dialect.name != "sqlite":
        return
    tables = {str(row[0]) for row in connection.execute(text("PRAGMA foreign_key_check"))}
    ours = sorted(name for name in tables if name.startswith(TABLE_PREFIX))
    if ours:
        raise UpgradeError(url, tuple(ours))
