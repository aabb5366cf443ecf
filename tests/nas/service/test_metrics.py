"""Metrics of what the database holds, and of its calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.service.metrics import LedgerStanding, Metrics, Standing, standing_of
from storage import Ledger, UnknownStudyError, UnreachableError
from storage.observed import ObservedLedger


def test_jobs_and_studies_are_counted_by_what_they_do(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as ledger:
        ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
        for _ in range(2):
            ledger.create_job("rte", config={}, trials=1, log=None)
        text = Metrics(lambda: standing_of(ledger)).exposed().decode()
    assert 'nas_jobs{status="queued"} 2.0' in text
    assert 'nas_studies{state="' in text
    assert "nas_database_up 1.0" in text


def test_counts_are_read_once_for_scrapes_close_together() -> None:
    calls = []

    def read() -> Standing:
        calls.append(1)
        return Standing(jobs={"running": 1}, studies={})

    metrics = Metrics(read)
    first, second = metrics.exposed(), metrics.exposed()
    assert b'nas_jobs{status="running"} 1.0' in first
    assert b'nas_jobs{status="running"} 1.0' in second
    assert len(calls) == 1


def test_a_database_that_is_away_is_down_and_not_an_error() -> None:
    def read() -> Standing:
        raise UnreachableError("postgresql://nas:***@db/nas", "gone")

    families = {family.name: family for family in LedgerStanding(read).collect()}
    assert families["nas_database_up"].samples[0].value == 0
    assert families["nas_jobs"].samples == []


def test_transactions_are_timed_by_kind(tmp_path: Path) -> None:
    metrics = Metrics()
    with ObservedLedger.of(
        Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}"), metrics.database_answered
    ) as ledger:
        ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
        ledger.studies()
        ledger.study("rte")
    text = metrics.exposed().decode()
    assert 'nas_database_duration_seconds_count{kind="write"} 1.0' in text
    assert 'nas_database_duration_seconds_count{kind="read"} 2.0' in text


def test_a_failure_of_the_database_is_counted_and_a_wrong_question_is_not(tmp_path: Path) -> None:
    metrics = Metrics()
    path = tmp_path / "nas.db"
    with ObservedLedger.of(Ledger.open(f"sqlite:///{path}"), metrics.database_answered) as ledger:
        with pytest.raises(UnknownStudyError):
            ledger.study("none")
        ledger.close()
        path.write_bytes(b"not a database" * 400)
        with pytest.raises(UnreachableError):
            ledger.studies()
    assert 'nas_database_failures_total{kind="read"} 1.0' in metrics.exposed().decode()


def test_each_application_has_metrics_of_its_own() -> None:
    first, second = Metrics(), Metrics()
    first.answered("GET", "/healthz", 200, 0.01)
    assert b"/healthz" in first.exposed()
    assert b"/healthz" not in second.exposed()
