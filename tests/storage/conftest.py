"""Ledgers on every backend: SQLite always, PostgreSQL when NAS_TEST_POSTGRES_URL names a database."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from storage import Lease, Ledger, Proposal, StudyRecord, TrialState

POSTGRES_URL = os.environ.get("NAS_TEST_POSTGRES_URL")
BACKENDS = ["sqlite", "postgresql"] if POSTGRES_URL else ["sqlite"]

if os.environ.get("CI") and not POSTGRES_URL:
    raise RuntimeError("CI tests PostgreSQL for real: set NAS_TEST_POSTGRES_URL, as .ci/postgres does")

OpenLedger = Callable[[], Ledger]
MakeProposal = Callable[..., Proposal]


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty schema in the database of the environment."""
    if POSTGRES_URL is None:
        pytest.skip("NAS_TEST_POSTGRES_URL is not set")
    schema = f"test_{uuid.uuid4().hex}"
    engine = create_engine(POSTGRES_URL)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    url = make_url(POSTGRES_URL).update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database on each backend."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'nas.db'}"


@pytest.fixture
def open_ledger(url: str) -> Iterator[OpenLedger]:
    """Opens ledgers on the same database; none may leave a connection open."""
    opened: list[Ledger] = []

    def open_one() -> Ledger:
        opened.append(Ledger.open(url))
        return opened[-1]

    yield open_one
    left_open = [ledger.open_connections() for ledger in opened]
    for ledger in opened:
        ledger.close()
    assert left_open == [0] * len(opened)


@pytest.fixture
def ledger(open_ledger: OpenLedger) -> Ledger:
    return open_ledger()


@pytest.fixture
def study(ledger: Ledger) -> StudyRecord:
    return ledger.create_study("rte", spec={"trials": 10}, fingerprint={"model": "abc"}, seed=7)


@pytest.fixture
def lease(ledger: Ledger, study: StudyRecord) -> Lease:
    return ledger.acquire(study.name, owner="first", seconds=60)


@pytest.fixture
def let_lease_expire(url: str) -> Callable[[], None]:
    """Moves the end of every lease an hour back, as if that time had passed."""

    def expire() -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE nas_study SET lease_until_s = lease_until_s - 3600"))
        engine.dispose()

    return expire


@pytest.fixture
def proposal() -> MakeProposal:
    """Makes proposals; equal names mean equal sub-networks."""

    def make(name: str = "a", **changes: object) -> Proposal:
        fields: dict[str, object] = {
            "key": f"key-{name}",
            "config": {"num_hidden_layers": 4},
            "parameters": {"layers": 4, "dropout": 0.1, "kind": "plain"},
            "sampler_attributes": {"generation": 0},
            "costs": {"num_parameters": 1000.0},
            "origin": "sampler",
        }
        return Proposal(**(fields | changes))  # type: ignore[arg-type]  # any field may be replaced

    return make


@pytest.fixture
def duplicate(proposal: MakeProposal) -> MakeProposal:
    def make(name: str = "a", *, of: int = 0, **changes: object) -> Proposal:
        return proposal(name, state=TrialState.DUPLICATE, reused_from=of, **changes)

    return make
