"""Databases of the revision before trials could be paused."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text

import storage
from storage import HEAD_REVISION, Ledger, TrialState, UpgradeError, current_revision, upgrade_database

ADDED = {"account", "job_id"}
TABLES = ("study", "sampler_state", "trial", "attempt", "quality", "latency", "recovery", "event")
SHA = "a" * 64
STUDY = (
    "INSERT INTO nas_study (id, name, state, seed, epoch, lease_until_s, next_number, told_count, created_at,"
    " spec_sha256, fingerprint, spec)"
    " VALUES (1, 'rte', 'RUNNING', 7, 1, 0, 5, 3, 1.5, '', '{}', '{\"b\":1e22}')"
)
TRIAL = (
    "INSERT INTO nas_trial (study_id, number, state, attempts, told_order, reused_from, created_at, ended_at,"
    " result_sha256, origin, key, metrics, costs, reason, message, config, parameters, sampler_attributes)"
    " VALUES (1, {}, 1.25, {}, 'sampler', {}, '{{\"macs\": 2.5}}', {}, '{{}}', '{{\"l\": 4}}', '{{}}')"
)
TRIALS = (
    TRIAL.format("0, 'DONE', 2, 0, NULL", "2.5, 'ff'", "'k0', '{\"accuracy\": 0.5}'", "NULL, NULL"),
    TRIAL.format("1, 'FAILED', 1, 1, NULL", "2.5, NULL", "'k1', NULL", "'oom', 'too large'"),
    TRIAL.format("2, 'DUPLICATE', 0, 2, 0", "2.5, NULL", "'k0', '{\"accuracy\": 0.5}'", "NULL, NULL"),
    TRIAL.format("3, 'RUNNING', 1, NULL, NULL", "NULL, NULL", "'k3', NULL", "NULL, NULL"),
    TRIAL.format("4, 'PROPOSED', 0, NULL, NULL", "NULL, NULL", "'k4', NULL", "NULL, NULL"),
)
ATTEMPT = "INSERT INTO nas_attempt VALUES (1, {}, {}, 'node-1', 1.5, {}, {}, 0.5)"
OTHERS = (
    "INSERT INTO nas_sampler_state VALUES (1, '{\"generation\": 3}')",
    ATTEMPT.format(0, 1, 2.0, "'worker_lost'"),
    ATTEMPT.format(0, 2, 2.5, "'completed'"),
    ATTEMPT.format(1, 1, 2.5, "'failed'"),
    ATTEMPT.format(3, 1, "NULL", "NULL"),
    f"INSERT INTO nas_quality VALUES ('{SHA}', 'k0', '{SHA}', 64, 1.5, 2.5, '{{\"accuracy\": 0.5}}', NULL)",
    "INSERT INTO nas_latency (shape_key, target, workload_sha256, valid, quality_flag, created_at,"
    f" statistics, device) VALUES ('s', 'cpu', '{SHA}', true, 'ok', 2.5, '{{\"median_ms\": 2}}', '{{}}')",
    "INSERT INTO nas_recovery (study_id, trial, kind, key, recipe_sha256, passes, examples, seconds,"
    " created_at, weights_file, weights_sha256, metrics_before, metrics_after, config, recipe) VALUES"
    f" (1, 0, 'recovered', 'k0', '{SHA}', 1, 2, 3.5, 2.5, 'f', '{SHA}', '{{}}', '{{}}', '{{}}', '{{}}')",
    "INSERT INTO nas_event (study_id, at, kind, payload) VALUES (1, 1.5, 'trial_failed', '{\"number\": 1}')",
)


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def run_migrations(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(storage.__file__).with_name("migrations")))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
def old_url(url: str) -> str:
    """A database of revision 0002 with a row or more in each table."""
    engine = create_engine(url)
    run_migrations(engine, "0002")
    engine.dispose()
    execute(url, STUDY, *TRIALS, *OTHERS)
    return url


def rows(url: str) -> dict[str, list[str]]:
    """Every row, without the columns that later revisions added."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table: [
                repr({name: value for name, value in row._asdict().items() if name not in ADDED})
                for row in connection.execute(text(f"SELECT * FROM nas_{table}"))
            ]
            for table in TABLES
        }
    engine.dispose()
    return found


def test_every_row_of_every_table_is_kept(old_url: str) -> None:
    before = rows(old_url)
    assert all(before.values())
    assert upgrade_database(old_url) == ("0002", HEAD_REVISION)
    assert rows(old_url) == before


def test_rows_still_refer_to_their_trials_and_studies(old_url: str) -> None:
    upgrade_database(old_url)
    with Ledger.open(old_url) as ledger:
        assert [attempt.outcome for attempt in ledger.attempts(1, 0)] == ["worker_lost", "completed"]
        ledger.delete_study("rte")
    after = rows(old_url)
    assert [table for table in TABLES if after[table]] == ["quality", "latency", "event"]


def test_a_study_of_the_older_revision_goes_on_and_can_pause_its_trials(old_url: str) -> None:
    upgrade_database(old_url)
    with Ledger.open(old_url) as ledger:
        lease = ledger.acquire("rte", owner="second")
        assert [trial.number for trial in ledger.requeue_open(lease)] == [3, 4]
        ledger.dispatch(lease, 3)
        ledger.pause(lease, 3, {"accuracy": 0.25}, reason="dominated by trial 0")
        assert ledger.trial(1, 3).state is TrialState.PAUSED


def test_one_sub_network_is_still_one_trial(old_url: str) -> None:
    upgrade_database(old_url)
    engine = create_engine(old_url)
    with pytest.raises(Exception, match=r"(?i)unique"), engine.begin() as connection:
        connection.execute(text("UPDATE nas_trial SET key = 'k0' WHERE number = 4"))
    engine.dispose()


def test_an_sqlite_file_with_rows_that_refer_to_nothing_is_left_as_it_was(old_url: str) -> None:
    if not old_url.startswith("sqlite"):
        pytest.skip("PostgreSQL never has such rows")
    execute(old_url, "INSERT INTO nas_attempt VALUES (1, 99, 1, NULL, 1.5, NULL, NULL, NULL)")
    before = rows(old_url)
    with pytest.raises(UpgradeError, match="nas_attempt"):
        upgrade_database(old_url)
    assert (rows(old_url), current_revision(old_url)) == (before, "0002")


def test_an_sqlite_file_is_not_upgraded_while_dropping_a_table_would_delete_what_refers_to_it(
    old_url: str,
) -> None:
    if not old_url.startswith("sqlite"):
        pytest.skip("PostgreSQL changes constraints in place")
    before = rows(old_url)
    engine = create_engine(old_url)
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    with pytest.raises(RuntimeError, match="turn foreign keys off"):
        run_migrations(engine, "0003")
    engine.dispose()
    assert rows(old_url) == before
