"""Clocks that jump: drivers' play no part, the database's says how long a lease lasts, not who holds it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text

from storage import FencedError, Lease, LeaseHeldError, Ledger, Proposal, StudyRecord

HOUR_S = 3600


@pytest.fixture
def move_database_clock(url: str) -> Callable[[float], None]:
    """Moves the end of every lease, which is what a jump of the database's clock does to it."""

    def move(seconds: float) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE nas_study SET lease_until_s = lease_until_s - {seconds}"))
        engine.dispose()

    return move


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_a_driver_whose_clock_jumped_neither_takes_nor_loses_a_study(
    ledger: Ledger, lease: Lease, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump_s)
    with pytest.raises(LeaseHeldError) as refused:
        ledger.acquire("rte", owner="second")
    assert 0 < refused.value.remaining_s <= lease.seconds
    ledger.renew(lease)


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_the_times_of_trials_are_those_of_the_database(
    ledger: Ledger,
    lease: Lease,
    study: StudyRecord,
    proposal: Callable[..., Proposal],
    monkeypatch: pytest.MonkeyPatch,
    jump_s: float,
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump_s)
    (trial,) = ledger.propose(lease, [proposal("a")])
    assert 0 <= (trial.created_at - study.created_at).total_seconds() < HOUR_S / 2


def test_after_a_jump_ahead_of_the_database_only_one_of_two_drivers_proposes(
    ledger: Ledger,
    lease: Lease,
    proposal: Callable[..., Proposal],
    move_database_clock: Callable[[float], None],
) -> None:
    move_database_clock(HOUR_S)
    successor = ledger.acquire("rte", owner="second")
    with pytest.raises(FencedError):
        ledger.propose(lease, [proposal("a")])
    assert ledger.propose(successor, [proposal("a")])[0].number == 0


def test_after_a_jump_back_of_the_database_a_released_study_is_free_at_once(
    ledger: Ledger, lease: Lease, move_database_clock: Callable[[float], None]
) -> None:
    move_database_clock(-HOUR_S)
    with pytest.raises(LeaseHeldError):
        ledger.acquire("rte", owner="second")
    ledger.release(lease)
    assert ledger.acquire("rte", owner="second").epoch == 2
