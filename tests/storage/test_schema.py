from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

import storage
from storage import (
    HEAD_REVISION,
    Lease,
    Ledger,
    Proposal,
    SchemaError,
    UnreachableError,
    current_revision,
    upgrade_database,
)
from storage.schema import VERSION_TABLE, is_ours
from storage.tables import metadata


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_an_empty_database_gets_its_tables_when_opened(url: str) -> None:
    assert current_revision(url) is None
    with Ledger.open(url) as ledger:
        assert ledger.schema_revision() == HEAD_REVISION
        assert ledger.studies() == []


def test_an_upgrade_tells_the_revision_before_and_after(url: str) -> None:
    assert upgrade_database(url) == (None, HEAD_REVISION)
    assert upgrade_database(url) == (HEAD_REVISION, HEAD_REVISION)


def test_the_newest_migration_is_the_one_that_the_code_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(storage.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD_REVISION


def test_the_migrations_make_what_the_code_describes(url: str) -> None:
    upgrade_database(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "include_name": is_ours, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_on_sqlite_the_migrations_make_the_same_tables_to_the_letter(tmp_path: Path) -> None:
    migrated, created = f"sqlite:///{tmp_path / 'migrated.db'}", f"sqlite:///{tmp_path / 'created.db'}"
    upgrade_database(migrated)
    engine = create_engine(created)
    metadata.create_all(engine)
    engine.dispose()
    assert len(definitions(created)) >= 10
    assert definitions(migrated) == definitions(created)


def definitions(url: str) -> set[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'"))
        # A table that was made anew under another name has its own in quotes.
        lines = {
            "".join(row[0].replace('"', "").split())
            for row in found
            if row[0] and VERSION_TABLE not in row[0]
        }
    engine.dispose()
    return lines


def test_the_tables_of_others_are_left_alone(url: str) -> None:
    execute(url, "CREATE TABLE trials (id INTEGER)", "INSERT INTO trials VALUES (7)")
    Ledger.open(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM trials")).scalar_one() == 7
    engine.dispose()


def test_a_newer_database_is_refused(url: str) -> None:
    upgrade_database(url)
    execute(url, "UPDATE nas_alembic_version SET version_num = '9999'")
    for refused in (lambda: Ledger.open(url, upgrade=True), lambda: upgrade_database(url)):
        with pytest.raises(SchemaError, match=r"newer version.*upgrade this package") as error:
            refused()
        assert error.value.is_newer


def test_an_older_database_is_refused_with_the_command_that_upgrades_it(url: str) -> None:
    upgrade_database(url)
    execute(url, "UPDATE nas_alembic_version SET version_num = '0000'")
    with pytest.raises(SchemaError, match=r"older schema 0000.*nas db upgrade") as error:
        Ledger.open(url)
    assert not error.value.is_newer


def test_tables_of_an_earlier_revision_are_brought_to_the_newest_with_what_they_hold(url: str) -> None:
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(storage.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with pytest.raises(SchemaError, match=r"older schema 0001.*nas db upgrade"):
        Ledger.open(url)
    assert upgrade_database(url) == ("0001", HEAD_REVISION)
    with Ledger.open(url) as ledger:
        assert ledger.recoveries(1) == []


def test_tables_of_our_names_that_we_did_not_make_are_refused(url: str) -> None:
    execute(url, "CREATE TABLE nas_study (id INTEGER)")
    with pytest.raises(SchemaError, match="another database"):
        Ledger.open(url)


def test_several_that_open_an_empty_database_at_once_all_get_it(url: str) -> None:
    start = threading.Barrier(4)
    failed: list[Exception] = []

    def open_and_read() -> None:
        start.wait(20)
        try:
            with Ledger.open(url) as ledger:
                ledger.studies()
        except Exception as error:  # noqa: BLE001  # handed to the test
            failed.append(error)

    threads = [threading.Thread(target=open_and_read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(b"not a database, only some notes of more than a hundred bytes" * 3)
    before = file.read_bytes()
    with pytest.raises(UnreachableError, match="not a database"):
        Ledger.open(f"sqlite:///{file}")
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE nas_trial SET metrics = '{\"a\": NaN}' WHERE number = 0",
        "UPDATE nas_trial SET costs = '{\"a\": Infinity}' WHERE number = 0",
        "UPDATE nas_trial SET metrics = NULL WHERE number = 0",
        "UPDATE nas_trial SET state = 'PROPOSED' WHERE number = 0",
        "UPDATE nas_trial SET state = 'FINISHED' WHERE number = 0",
        "UPDATE nas_trial SET state = 'PAUSED' WHERE number = 0",
        "UPDATE nas_trial SET state = 'PAUSED' WHERE number = 2",
        "UPDATE nas_trial SET told_order = 0 WHERE number = 1",
        "UPDATE nas_trial SET key = 'key-a' WHERE number = 2",
        "UPDATE nas_trial SET reused_from = 0 WHERE number = 2",
        "UPDATE nas_trial SET study_id = 77 WHERE number = 2",
        "UPDATE nas_study SET told_count = 9",
    ],
)
def test_the_database_itself_refuses_a_wrong_row(
    url: str, ledger: Ledger, lease: Lease, proposal: Callable[..., Proposal], statement: str
) -> None:
    ledger.propose(lease, [proposal(name) for name in "abc"])
    ledger.complete(lease.study_id, 0, {"a": 1.0})
    ledger.complete(lease.study_id, 1, {"a": 1.0})
    before = ledger.trials(lease.study_id)
    with pytest.raises(DBAPIError, match=r"(?i)constraint|invalid input syntax"):
        execute(url, "PRAGMA foreign_keys=ON", statement) if url.startswith("sqlite") else execute(
            url, statement
        )
    assert ledger.trials(lease.study_id) == before


def test_every_table_bears_our_prefix(url: str) -> None:
    upgrade_database(url)
    engine = create_engine(url)
    assert all(name.startswith("nas_") for name in inspect(engine).get_table_names())
    engine.dispose()
