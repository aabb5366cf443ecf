"""Drivers need no rights to change tables: an owner makes and upgrades them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, make_url

from storage import Ledger, Proposal, ReadOnlyError, TrialState

RIGHTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
)
READING = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
)


@pytest.fixture
def role(postgres_url: str) -> Iterator[str]:
    """A role that may log in and nothing else."""
    name = f"role_{uuid.uuid4().hex}"
    execute(postgres_url, f"CREATE ROLE {name} LOGIN")
    yield name
    execute(postgres_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
        for statement in statements:
            connection.exec_driver_sql(statement.replace("{schema}", str(schema)))
    engine.dispose()


def url_of(postgres_url: str, role: str) -> str:
    return make_url(postgres_url).set(username=role).render_as_string(hide_password=False)


def test_a_role_without_the_right_to_make_tables_runs_a_search(
    postgres_url: str, role: str, proposal: Callable[..., Proposal]
) -> None:
    Ledger.open(postgres_url).close()
    execute(postgres_url, *(right.replace("{role}", role) for right in RIGHTS))
    with Ledger.open(url_of(postgres_url, role)) as ledger:
        study = ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
        lease = ledger.acquire("rte", owner="first")
        ledger.propose(lease, [proposal("a")], sampler_state={"a": 1})
        ledger.dispatch(lease, 0)
        ledger.complete(study.id, 0, {"a": 1.0})
        ledger.put_target("edge", {})
        ledger.create_job("rte", config={})
        ledger.release(lease)
        assert ledger.trial(study.id, 0).state is TrialState.DONE
        ledger.delete_study("rte")


def test_a_role_that_may_only_read_is_told_so_when_it_writes(postgres_url: str, role: str) -> None:
    with Ledger.open(postgres_url) as owner:
        owner.create_study("rte", spec={}, fingerprint={}, seed=0)
    execute(postgres_url, *(right.replace("{role}", role) for right in READING))
    with Ledger.open(url_of(postgres_url, role)) as ledger:
        assert ledger.study("rte").epoch == 0
        with pytest.raises(ReadOnlyError, match=r"permission denied.*GRANT"):
            ledger.acquire("rte", owner="first")


def test_a_role_that_may_make_no_tables_is_told_so_in_an_empty_database(postgres_url: str, role: str) -> None:
    execute(postgres_url, f"GRANT USAGE ON SCHEMA {{schema}} TO {role}")
    with pytest.raises(ReadOnlyError, match="permission denied"):
        Ledger.open(url_of(postgres_url, role))
