"""A server that is slow, cut off, or killed and started again under a ledger that is open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from storage import Lease, LeaseKeeper, Ledger, Proposal, TrialState, UnreachableError
from storage.database import Database
from storage.engine import create_engine
from storage.location import parsed_url

MakeProposal = Callable[..., Proposal]
SLOW_S = 0.5
UNTIL_IT_IS_BACK_S = (0.25,) * 480  # pauses between tries: a busy machine starts a server slowly


@pytest.fixture
def ledger(proxy: Any) -> Iterator[Ledger]:
    """A ledger through the proxy."""
    with Ledger.open(proxy.url) as ledger:
        ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
        yield ledger
        assert ledger.open_connections() == 0


@pytest.fixture
def lease(ledger: Ledger) -> Lease:
    return ledger.acquire("rte", owner="first", seconds=10)


def opened(url: str, retry_delays_s: Sequence[float]) -> Ledger:
    return Ledger(Database(create_engine(parsed_url(url)), retry_delays_s=retry_delays_s))


@pytest.mark.slow
def test_a_server_that_takes_half_a_second_a_statement_fails_nothing(
    ledger: Ledger, lease: Lease, proxy: Any, proposal: MakeProposal
) -> None:
    proxy.delay_s = SLOW_S
    with LeaseKeeper(ledger.renew, lease) as keeper:
        ledger.propose(lease, [proposal("a")], first=0)
        ledger.dispatch(lease, 0, attempt=1)
        assert ledger.complete(lease.study_id, 0, {"a": 1.0}) == "stored"
        assert not keeper.lost
    proxy.delay_s = 0.0
    trial = ledger.trial(lease.study_id, 0)
    assert (trial.state, trial.attempts, trial.metrics) == (TrialState.DONE, 1, {"a": 1.0})


def test_connections_that_are_cut_between_calls_are_made_again(
    ledger: Ledger, lease: Lease, proxy: Any, proposal: MakeProposal
) -> None:
    for name in "abc":
        proxy.cut()
        ledger.propose(lease, [proposal(name)])
    assert [trial.number for trial in ledger.trials(lease.study_id)] == [0, 1, 2]


def test_a_server_that_stays_away_is_told_and_the_next_call_works_when_it_is_back(
    lease: Lease, proxy: Any, proposal: MakeProposal
) -> None:
    ledger = opened(proxy.url, (0.01, 0.01))
    proxy.is_down = True
    proxy.cut()
    for asked in (lambda: ledger.propose(lease, [proposal("a")]), ledger.readable):
        with pytest.raises(UnreachableError, match="can't be reached"):
            asked()
    proxy.is_down = False
    ledger.readable()
    assert ledger.propose(lease, [proposal("a")])[0].number == 0
    ledger.close()


def test_a_lease_outlives_an_outage_unless_another_driver_came(
    ledger: Ledger, lease: Lease, proxy: Any, let_lease_expire: Callable[[], None], proposal: MakeProposal
) -> None:
    proxy.cut()
    let_lease_expire()
    ledger.renew(lease)
    assert ledger.propose(lease, [proposal("a")])[0].number == 0


@pytest.fixture
def let_lease_expire(postgres_url: str) -> Callable[[], None]:
    """Moves the end of every lease an hour back, on a way around the proxy."""

    def expire() -> None:
        engine = create_engine(parsed_url(postgres_url))
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE nas_study SET lease_until_s = lease_until_s - 3600")
        engine.dispose()

    return expire


@pytest.mark.slow
def test_what_was_acknowledged_survives_the_death_of_the_server(
    own_server: Any, proposal: MakeProposal
) -> None:
    with Ledger.open(own_server.url) as first:
        first.create_study("rte", spec={}, fingerprint={}, seed=0)
        lease = first.acquire("rte", owner="first", seconds=600)
    ledger = opened(own_server.url, UNTIL_IT_IS_BACK_S)
    for number in range(3):
        ledger.propose(lease, [proposal(str(number))], first=number)
        own_server.kill()
        restart = threading.Thread(target=own_server.start)
        restart.start()
        assert ledger.dispatch(lease, number, attempt=1) == 1  # waits for the server
        restart.join()
        ledger.complete(lease.study_id, number, {"a": float(number)})
    trials = ledger.trials(lease.study_id)
    assert [(trial.attempts, trial.metrics) for trial in trials] == [(1, {"a": float(n)}) for n in range(3)]
    assert ledger.open_connections() == 0
    ledger.close()
