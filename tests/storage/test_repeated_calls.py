"""What makes proposing and dispatching repeatable: the number and the attempt that the caller expects."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage import (
    DuplicateKeyError,
    FencedError,
    Lease,
    Ledger,
    NumberError,
    Proposal,
    StudyState,
    TrialState,
    TrialStateError,
)

MakeProposal = Callable[..., Proposal]


def kinds(ledger: Ledger, lease: Lease) -> list[str]:
    return [event.kind for event in ledger.events(lease.study_id)]


def test_proposals_that_are_made_again_are_handed_out_as_they_are_stored(
    ledger: Ledger, lease: Lease, proposal: MakeProposal, duplicate: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("z")])
    batch = [proposal("a"), proposal("b", state=TrialState.INFEASIBLE), duplicate("z", of=0)]
    first = ledger.propose(lease, batch, first=1)
    before = kinds(ledger, lease)
    assert ledger.propose(lease, batch, first=1) == first
    assert kinds(ledger, lease) == before
    assert [trial.number for trial in ledger.propose(lease, [proposal("c")], first=4)] == [4]
    assert [trial.told_order for trial in ledger.trials(lease.study_id)] == [None, None, 0, 1, None]


def test_other_proposals_than_those_that_have_the_numbers_are_refused(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a"), proposal("b")])
    before = ledger.trials(lease.study_id)
    for batch, first in (
        ([proposal("a")], 0),
        ([proposal("c"), proposal("d")], 0),
        ([proposal("c")], 1),
        ([proposal("c")], 3),
        ([], 1),
    ):
        with pytest.raises(NumberError, match=f"expect number {first}, the next one is 2"):
            ledger.propose(lease, batch, first=first)
    assert ledger.trials(lease.study_id) == before
    assert ledger.propose(lease, [proposal("c")], first=2)[0].number == 2


def test_a_known_sub_network_is_refused_under_the_expected_number_too(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a")], first=0)
    with pytest.raises(DuplicateKeyError):
        ledger.propose(lease, [proposal("a")], first=1)


def test_a_driver_that_lost_its_lease_hears_that_and_not_what_it_had_proposed(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a")], first=0)
    ledger.release(lease)
    ledger.acquire("rte", owner="second")
    with pytest.raises(FencedError):
        ledger.propose(lease, [proposal("a")], first=0)


def test_a_dispatch_that_is_made_again_stays_one_attempt(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a")])
    assert ledger.dispatch(lease, 0, "node-1", attempt=1) == 1
    before = kinds(ledger, lease)
    assert ledger.dispatch(lease, 0, "node-1", attempt=1) == 1
    assert kinds(ledger, lease) == before
    assert len(ledger.attempts(lease.study_id, 0)) == 1


@pytest.mark.parametrize("attempt", [0, 2, 3])
def test_a_dispatch_is_refused_that_is_not_the_next_attempt(
    ledger: Ledger, lease: Lease, proposal: MakeProposal, attempt: int
) -> None:
    ledger.propose(lease, [proposal("a")])
    with pytest.raises(TrialStateError):
        ledger.dispatch(lease, 0, attempt=attempt)
    assert ledger.trial(lease.study_id, 0).state is TrialState.PROPOSED


def test_an_attempt_that_has_ended_is_not_dispatched_again(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a")])
    ledger.dispatch(lease, 0, attempt=1)
    ledger.requeue(lease, 0, outcome="worker_lost")
    with pytest.raises(TrialStateError, match="PROPOSED"):
        ledger.dispatch(lease, 0, attempt=1)
    assert ledger.dispatch(lease, 0, attempt=2) == 2


def test_an_equal_failure_is_one(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> None:
    ledger.propose(lease, [proposal("a"), proposal("b")])
    for _ in range(2):
        ledger.fail(lease, 0, reason="oom", message="x" * 10_000)
    with pytest.raises(TrialStateError, match="FAILED"):
        ledger.fail(lease, 0, reason="timeout", message="60 s")
    ledger.complete(lease.study_id, 1, {"a": 1.0})
    assert [trial.told_order for trial in ledger.trials(lease.study_id)] == [0, 1]
    assert kinds(ledger, lease).count("trial_failed") == 1


def test_a_trial_that_waits_since_its_worker_was_lost_is_requeued_once(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a")])
    ledger.dispatch(lease, 0)
    for _ in range(2):
        ledger.requeue(lease, 0, outcome="worker_lost")
    with pytest.raises(TrialStateError):
        ledger.requeue(lease, 0, outcome="timeout")
    assert kinds(ledger, lease).count("trials_requeued") == 1


def test_the_same_state_of_a_study_is_logged_once(ledger: Ledger, lease: Lease) -> None:
    for reason in ("disk full", "disk full", None, None):
        ledger.set_study_state(lease, StudyState.PAUSED, reason)
    assert kinds(ledger, lease).count("state_changed") == 2
