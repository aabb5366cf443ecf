"""SQLAlchemy engines with the settings that the guarantees rest on."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy import create_engine as create_sqlalchemy_engine
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from .errors import DatabaseUrlError
from .location import check_file, shown
from .values import json_text, json_value

BUSY_TIMEOUT_MS = 30_000

_BEGIN = "BEGIN IMMEDIATE"
_POSTGRES_TIMEOUT_S = 5
#: As many as the threads of a service; a search has one thread that writes, and opens one or two.
_POOL_SIZE = 16
_POSTGRES_SETTINGS = "-c statement_timeout=30000 -c synchronous_commit=on"


def create_engine(
    url: URL, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, has_foreign_keys: bool = True
) -> Engine:
    """An engine on a database that exists, or on an SQLite file that may not exist yet.

    Without foreign keys, which is for migrations only, SQLite lets a table be dropped that others refer to.

    Raises:
        UnreachableError: the folder of the SQLite file does not exist.
        DatabaseUrlError: the file lies on a network file system, or the driver is not installed.
    """
    if url.get_backend_name() == "sqlite":
        check_file(url)
        return _sqlite_engine(url, busy_timeout_ms, has_foreign_keys)
    return _postgresql_engine(url)


def check_durable(connection: Connection, url: str) -> None:
    """Refuses a PostgreSQL server that acknowledges what a power cut would take back.

    Raises:
        DatabaseUrlError: the server runs with fsync off.
    """
    if connection.dialect.name != "postgresql":
        return
    if connection.exec_driver_sql("SHOW fsync").scalar_one() == "off":
        raise DatabaseUrlError(url, "the server runs with fsync=off and can lose results; set fsync=on")


def begin_write(connection: Connection) -> None:
    """Begins the transaction of a connection that will write: SQLite locks the file here, not midway.

    An event of the engine would do it too, but with one SQLAlchemy looks for others at every statement.
    """
    if connection.dialect.name != "sqlite":
        return
    try:
        connection.connection.cursor().execute(_BEGIN)
    except sqlite3.Error as error:
        raise DBAPIError.instance(_BEGIN, None, error, sqlite3.Error) from error


def _sqlite_engine(url: URL, busy_timeout_ms: int, has_foreign_keys: bool) -> Engine:
    engine = _engine(url)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # else Python begins transactions by itself, too late and deferred
        connection.execute(f"PRAGMA busy_timeout={busy_timeout_ms:d}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA foreign_keys={has_foreign_keys:d}")

    return engine


def _postgresql_engine(url: URL) -> Engine:
    settings = url.query.get("options", "")
    options = settings if isinstance(settings, str) else " ".join(settings)
    connect_args: dict[str, Any] = {
        "connect_timeout": _POSTGRES_TIMEOUT_S,
        "tcp_user_timeout": _POSTGRES_TIMEOUT_S * 1000,
        "keepalives_idle": _POSTGRES_TIMEOUT_S,
        "keepalives_interval": _POSTGRES_TIMEOUT_S,
        "keepalives_count": 3,
    }
    asked_for = {name: value for name, value in connect_args.items() if name not in url.query}
    return _engine(
        url.difference_update_query(["options"]),
        connect_args=asked_for | {"options": f"{_POSTGRES_SETTINGS} {options}".strip()},
    )


def _engine(url: URL, **arguments: Any) -> Engine:
    try:
        return create_sqlalchemy_engine(
            url,
            json_serializer=json_text,
            json_deserializer=json_value,
            pool_size=_POOL_SIZE,
            **arguments,
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise DatabaseUrlError(
            shown(url), f"its driver is missing ({error}); pip install 'subnas[postgres]'"
        ) from error
