"""Trials as rows for plots, by number, and the seconds that an account's evaluations took."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text

from storage import Lease, Ledger, Proposal, TrialRow, TrialState, UnknownTrialError

MakeProposal = Callable[..., Proposal]


@pytest.fixture
def told(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> int:
    """A study of six trials, of which the second, fourth and last are told, in another order."""
    proposals = [proposal(name) for name in "abcde"]
    ledger.propose(lease, [*proposals, proposal("f", state=TrialState.INFEASIBLE, reason="too large")])
    for number in (0, 1, 2, 3):
        ledger.dispatch(lease, number)
    ledger.complete(lease.study_id, 3, {"b": 2.0, "a": 1e22}, seconds=1.5)
    ledger.fail(lease, 1, reason="oom", message="too large")
    ledger.pause(lease, 2, {"a": 0.5}, reason="dominated")
    return lease.study_id


def as_rows(ledger: Ledger, study_id: int, numbers: list[int]) -> list[TrialRow]:
    fields = [field.name for field in dataclasses.fields(TrialRow)]
    records = {record.number: record for record in ledger.trials(study_id)}
    return [TrialRow(**{name: getattr(records[number], name) for name in fields}) for number in numbers]


def test_told_rows_come_in_the_order_of_telling(ledger: Ledger, told: int) -> None:
    assert list(ledger.each_told_row(told)) == as_rows(ledger, told, [5, 3, 1])


def test_rows_are_read_on_from_the_last_one(ledger: Ledger, told: int) -> None:
    assert [row.number for row in ledger.each_told_row(told, after=0)] == [3, 1]
    assert list(ledger.each_told_row(told, after=2)) == []


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_rows_do_not_depend_on_the_page(ledger: Ledger, told: int, size: int) -> None:
    assert [row.number for row in ledger.each_told_row(told, page=size)] == [5, 3, 1]
    assert [record.number for record in ledger.each_told(told, page=size)] == [5, 3, 1]


def test_open_rows_are_those_that_are_not_told(ledger: Ledger, told: int) -> None:
    assert ledger.open_rows(told) == as_rows(ledger, told, [0, 2, 4])


def test_trials_are_read_by_their_numbers_in_the_order_asked_for(ledger: Ledger, told: int) -> None:
    everything = ledger.trials(told)
    assert ledger.trials_numbered(told, [4, 0, 4]) == [everything[4], everything[0], everything[4]]
    assert ledger.trials_numbered(told, []) == []


def test_a_number_that_the_study_does_not_have_is_refused(ledger: Ledger, told: int) -> None:
    with pytest.raises(UnknownTrialError, match="no trial 6"):
        ledger.trials_numbered(told, [0, 6])


@pytest.fixture
def let_attempts_last(url: str) -> Callable[[float], None]:
    """Moves the start of every attempt that has ended to some seconds before its end."""

    def last(seconds: float) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            change = "UPDATE nas_attempt SET started_at = ended_at - :seconds WHERE ended_at IS NOT NULL"
            connection.execute(text(change), {"seconds": seconds})
        engine.dispose()

    return last


def test_evaluations_cost_what_workers_reported_or_else_the_time_of_the_attempt(
    ledger: Ledger, proposal: MakeProposal, let_attempts_last: Callable[[float], None]
) -> None:
    for account in ("alice", "bob"):
        ledger.submit_job(f"{account}.a", kind="search", config={}, trials=None, account=account, log=None)
        study = ledger.create_study(f"{account}.a", spec={}, fingerprint={}, seed=0)
    study = ledger.study("alice.a")
    lease = ledger.acquire("alice.a", owner="first", seconds=60)
    ledger.propose(lease, [proposal(name) for name in "abcd"])
    for number in range(4):
        ledger.dispatch(lease, number)
    ledger.complete(study.id, 0, {"a": 1.0}, seconds=2.5)
    ledger.fail(lease, 1, reason="oom", message="too large")
    ledger.requeue(lease, 2, outcome="worker_lost")
    ledger.requeue_open(lease)
    let_attempts_last(10.0)
    assert ledger.usage("alice").evaluation_seconds == pytest.approx(2.5 + 10.0 + 10.0, abs=1e-3)
    assert ledger.usage("bob").evaluation_seconds == 0.0
