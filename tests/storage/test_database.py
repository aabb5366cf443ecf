"""The transaction scope: settings, retries, and what becomes of the errors of the drivers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, text

from storage import DiskFullError, Lease, Ledger, Proposal, ReadOnlyError, UnreachableError
from storage.database import Database
from storage.engine import create_engine
from storage.location import parsed_url

NO_DELAYS_S = (0.0,) * 4


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """A database with one study."""
    file = tmp_path / "nas.db"
    with Ledger.open(f"sqlite:///{file}") as ledger:
        ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
    return file


@pytest.fixture
def impatient(sqlite_file: Path) -> Iterator[Engine]:
    """An engine that does not wait for locks."""
    engine = create_engine(parsed_url(f"sqlite:///{sqlite_file}"), busy_timeout_ms=0)
    yield engine
    engine.dispose()


@pytest.fixture
def writer(sqlite_file: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection that holds the write lock."""
    connection = sqlite3.connect(sqlite_file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 30_000)],
)
def test_sqlite_is_set_up_to_be_durable(sqlite_file: Path, pragma: str, value: object) -> None:
    engine = create_engine(parsed_url(f"sqlite:///{sqlite_file}"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
    engine.dispose()


def test_a_locked_database_is_tried_again(impatient: Engine, writer: sqlite3.Connection) -> None:
    ledger = Ledger(Database(impatient, retry_delays_s=NO_DELAYS_S))
    tries = []

    def unlock_at_the_third(*_: object) -> None:
        tries.append(1)
        if len(tries) == 3:
            writer.execute("ROLLBACK")

    event.listen(impatient, "checkout", unlock_at_the_third)
    assert ledger.acquire("rte", owner="first").epoch == 1
    assert len(tries) == 3


def test_a_database_that_stays_locked_is_given_up(impatient: Engine, writer: sqlite3.Connection) -> None:
    ledger = Ledger(Database(impatient, retry_delays_s=NO_DELAYS_S))
    tries = []
    event.listen(impatient, "checkout", lambda *_: tries.append(1))
    with pytest.raises(UnreachableError, match="locked"):
        ledger.acquire("rte", owner="first")
    assert len(tries) == len(NO_DELAYS_S) + 1
    assert ledger.open_connections() == 0


def test_reading_needs_no_lock(impatient: Engine, writer: sqlite3.Connection) -> None:
    assert Ledger(Database(impatient, retry_delays_s=())).study("rte").epoch == 0


def test_a_full_disk_is_told_and_nothing_is_half_written(
    sqlite_file: Path, proposal: Callable[..., Proposal]
) -> None:
    engine = create_engine(parsed_url(f"sqlite:///{sqlite_file}"))
    pages = sqlite_file.stat().st_size // 4096 + 2
    event.listen(engine, "connect", lambda dbapi, _: dbapi.execute(f"PRAGMA max_page_count={pages}"))
    ledger = Ledger(Database(engine))
    lease = ledger.acquire("rte", owner="first")
    with pytest.raises(DiskFullError, match="free some space"):
        ledger.propose(lease, [proposal(str(number)) for number in range(200)])
    assert ledger.trials(lease.study_id) == []
    assert ledger.open_connections() == 0
    ledger.close()


def test_a_database_that_takes_no_writes_says_so(sqlite_file: Path) -> None:
    engine = create_engine(parsed_url(f"sqlite:///{sqlite_file}"))
    event.listen(engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA query_only=ON"))
    ledger = Ledger(Database(engine))
    with pytest.raises(ReadOnlyError, match="writable"):
        ledger.acquire("rte", owner="first")
    assert ledger.study("rte").epoch == 0
    ledger.close()


def test_an_operation_that_fails_is_rolled_back_and_its_error_passes(ledger: Ledger, lease: Lease) -> None:
    database = ledger._database

    def operation(connection: Connection) -> None:
        connection.execute(text("UPDATE nas_study SET epoch = 99"))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        database.write(operation)
    assert ledger.study("rte").epoch == 1


class TestPostgreSQL:
    """Lost connections, which SQLite does not have."""

    @pytest.fixture
    def engine(self, postgres_url: str) -> Iterator[Engine]:
        with Ledger.open(postgres_url) as ledger:
            ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
        engine = create_engine(parsed_url(postgres_url))
        yield engine
        engine.dispose()

    def test_connections_that_broke_while_idle_cost_one_more_try(self, engine: Engine) -> None:
        ledger = Ledger(Database(engine, retry_delays_s=(0.0,)))
        with engine.connect() as first, engine.connect() as second:
            idle = [one.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() for one in (first, second)]
        for process in idle:
            kill(engine, process)
        assert len(ledger.studies()) == 1

    def test_a_connection_that_breaks_before_commit_is_tried_again(self, engine: Engine) -> None:
        database = Database(engine, retry_delays_s=NO_DELAYS_S)
        tries = []

        def operation(connection: Connection) -> None:
            tries.append(1)
            connection.exec_driver_sql("UPDATE nas_study SET epoch = epoch + 1")
            if len(tries) == 1:
                connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

        database.write(operation)
        assert len(tries) == 2
        assert Ledger(database).study("rte").epoch == 1

    @pytest.mark.parametrize("idempotent", [False, True])
    def test_a_connection_that_breaks_at_commit_is_tried_again_only_if_that_is_harmless(
        self, engine: Engine, idempotent: bool
    ) -> None:
        database = Database(engine, retry_delays_s=NO_DELAYS_S)
        commits = []

        def break_the_first(connection: Connection) -> None:
            commits.append(1)
            if len(commits) == 1:
                dbapi_connection = connection.connection.dbapi_connection
                assert dbapi_connection is not None
                kill(engine, dbapi_connection.info.backend_pid)

        event.listen(engine, "commit", break_the_first)

        def operation(connection: Connection) -> None:
            connection.exec_driver_sql("UPDATE nas_study SET epoch = 5")

        if idempotent:
            database.write(operation, idempotent=True)
            assert Ledger(database).study("rte").epoch == 5
        else:
            with pytest.raises(UnreachableError, match="may or may not"):
                database.write(operation)
        assert database.open_connections() == 0

    def test_the_settings_of_the_url_are_kept_beside_ours(self, engine: Engine) -> None:
        with engine.connect() as connection:
            shown = [
                connection.exec_driver_sql(f"SHOW {name}").scalar_one()
                for name in ("statement_timeout", "synchronous_commit", "search_path", "tcp_user_timeout")
            ]
        assert shown[:2] == ["30s", "on"]
        assert shown[2].startswith("test_")


def kill(engine: Engine, process: int) -> None:
    """Ends a server process through a connection of its own and waits until it is gone."""
    other = create_engine(engine.url)
    with other.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({process:d}, 10000)")
    other.dispose()


def test_nobody_listening_is_told_without_the_password() -> None:
    engine = create_engine(parsed_url("postgresql://me:secret@127.0.0.1:1/nas"))
    database = Database(engine, retry_delays_s=(0.0,))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1") as refused:
        database.read(lambda connection: None)
    assert "secret" not in str(refused.value)
    database.close()
