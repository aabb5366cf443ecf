"""Databases of every earlier revision, as they were written then, are upgraded and go on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url

from storage import HEAD_REVISION, JobState, Ledger, TrialState, current_revision, upgrade_database

DATA = Path(__file__).with_name("data")
REVISIONS = [f"{number:04d}" for number in range(1, int(HEAD_REVISION))]
OWN_TABLES = {"nas_alembic_version"}


@pytest.fixture(params=REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old_url(url: str, revision: str) -> str:
    """The stored database of a revision."""
    backend = make_url(url).get_backend_name()
    dump = (DATA / f"{revision}.{backend}.sql").read_text()
    if backend == "sqlite":
        connection = sqlite3.connect(str(make_url(url).database))
        connection.executescript(dump)
        connection.close()
        return url
    engine = create_engine(url)
    with engine.begin() as connection:
        schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
        with connection.connection.cursor() as cursor:  # SQLAlchemy would take % for a parameter
            cursor.execute(dump.replace("public.", f"{schema}."))
    engine.dispose()
    return url


def rows(url: str) -> dict[str, list[dict[str, object]]]:
    """Every row of every table, in an order that does not depend on where it lies."""
    engine = create_engine(url)
    with engine.connect() as connection:
        tables = set(inspect(connection).get_table_names()) - OWN_TABLES
        found = {
            table: sorted(
                (row._asdict() for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"')), key=repr
            )
            for table in tables
        }
    engine.dispose()
    return found


def test_every_earlier_revision_is_kept_for_both_backends() -> None:
    kept = {path.name for path in DATA.glob("*.sql")}
    assert kept == {f"{revision}.{name}.sql" for revision in REVISIONS for name in ("sqlite", "postgresql")}


def test_every_row_is_kept(old_url: str, revision: str) -> None:
    before = rows(old_url)
    assert {"nas_study", "nas_trial", "nas_attempt", "nas_quality", "nas_latency", "nas_event"} <= set(before)
    assert all(before.values())
    assert upgrade_database(old_url) == (revision, HEAD_REVISION)
    after = rows(old_url)
    assert {table: kept(after[table], before[table]) for table in before} == before
    assert [table for table in after if table not in before and after[table]] == []


def kept(after: list[dict[str, object]], before: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows without the columns that are new."""
    return [{name: row[name] for name in before[0]} for row in after]


def test_lines_of_the_log_then_name_the_jobs_that_they_are_about(old_url: str, revision: str) -> None:
    upgrade_database(old_url)
    with Ledger.open(old_url) as ledger:
        lines = ledger.events(None)
        assert all(line.job_id == line.payload.get("job") for line in lines)
        assert any(line.job_id for line in lines) == (revision >= "0004")
        if revision >= "0004":
            followed = [line.kind for line in ledger.job_events(1, limit=6)]
            expected = ["job_created", "job_claimed", "job_state_changed", "job_edited", "lease_acquired"]
            assert followed == [*expected, "trials_proposed"]


def test_what_was_made_before_there_were_accounts_belongs_to_none(old_url: str) -> None:
    upgrade_database(old_url)
    with Ledger.open(old_url) as ledger:
        assert [study.name for study in ledger.studies(None)] == ["rte", "sst"]
        assert {job.account for job in ledger.jobs()} <= {None}
        assert ledger.tokens() == []


def test_the_tables_are_those_of_a_new_database(old_url: str, tmp_path: Path) -> None:
    upgrade_database(old_url)
    new_url = f"sqlite:///{tmp_path / 'new.db'}"
    upgrade_database(new_url)
    assert columns(old_url) == columns(new_url)


def columns(url: str) -> dict[str, set[str]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        view = inspect(connection)
        found = {
            table: {str(one["name"]) for one in view.get_columns(table)} for table in view.get_table_names()
        }
    engine.dispose()
    return found


def test_a_search_that_was_interrupted_then_goes_on_where_it_was(old_url: str, revision: str) -> None:
    upgrade_database(old_url)
    with Ledger.open(old_url) as ledger:
        study = ledger.study("rte")
        assert study.spec["a"] == 1e22
        assert study.sampler_state == {"sampler": {"nsga2:population:1": [1, 3]}}
        lease = ledger.acquire("rte", owner="host/9")
        assert lease.epoch == 2
        waiting = [(trial.number, trial.attempts) for trial in ledger.requeue_open(lease)]
        paused = [trial.number for trial in ledger.trials(study.id, states={TrialState.PAUSED})]
        assert waiting == [(4, 1), (6, 1), *([] if paused else [(7, 0)]), (8, 0)]
        assert paused == ([7] if revision >= "0003" else [])
        assert ledger.dispatch(lease, 4, "node-3", attempt=2) == 2
        assert ledger.complete(study.id, 4, {"accuracy": 0.5}) == "stored"
        assert ledger.complete(study.id, 1, {"accuracy": 0.75, "latency_ms": 5e-324}) == "repeated"


def test_what_was_measured_is_still_known(old_url: str) -> None:
    upgrade_database(old_url)
    sha = "ab" * 32
    with Ledger.open(old_url) as ledger:
        quality = ledger.quality(sha, "a", sha, 64)
        latency = ledger.latency("s", "cpu", sha)
    assert quality is not None
    assert quality.per_example == bytes(range(256))
    assert latency is not None
    assert (latency.samples, latency.statistics["reference_ms"]) == (b"\x00\xff'", 1e22)


def test_jobs_and_events_are_added_after_those_that_were_there(old_url: str) -> None:
    upgrade_database(old_url)
    with Ledger.open(old_url) as ledger:
        last = max(event.id for event in ledger.events(None))
        job = ledger.create_job("rte", config={})
        lease = ledger.claim_job(job.id, owner="host/9")
        ledger.set_job_state(lease, JobState.RUNNING)
        assert [event.kind for event in ledger.events(None, after=last)] == [
            "job_created",
            "job_claimed",
            "job_state_changed",
        ]
        assert current_revision(old_url) == HEAD_REVISION
