from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storage import (
    FencedError,
    Lease,
    Ledger,
    Proposal,
    TrialRecord,
    TrialState,
    TrialStateError,
    UnknownTrialError,
)

MakeProposal = Callable[..., Proposal]
ESTIMATES = {"accuracy": 0.75, "evaluated_examples": 64.0}
REASON = "dominated by trial 3"


@pytest.fixture
def number(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> int:
    """A running trial."""
    number = ledger.propose(lease, [proposal("a")])[0].number
    ledger.dispatch(lease, number, "node-1")
    return number


@pytest.fixture
def paused(ledger: Ledger, lease: Lease, number: int) -> int:
    """A paused trial."""
    ledger.pause(lease, number, ESTIMATES, reason=REASON)
    return number


def trial_of(ledger: Ledger, lease: Lease, number: int) -> TrialRecord:
    return ledger.trial(lease.study_id, number)


def outcomes(ledger: Ledger, lease: Lease, number: int) -> list[str | None]:
    return [attempt.outcome for attempt in ledger.attempts(lease.study_id, number)]


def test_a_paused_trial_keeps_its_estimates_and_the_reason(ledger: Ledger, lease: Lease, paused: int) -> None:
    trial = trial_of(ledger, lease, paused)
    assert (trial.state, trial.metrics, trial.reason) == (TrialState.PAUSED, ESTIMATES, REASON)


def test_a_paused_trial_is_not_final(ledger: Ledger, lease: Lease, paused: int) -> None:
    trial = trial_of(ledger, lease, paused)
    assert (trial.state.is_final, trial.told_order, trial.ended_at) == (False, None, None)


def test_a_pause_ends_the_attempt(ledger: Ledger, lease: Lease, paused: int) -> None:
    assert outcomes(ledger, lease, paused) == ["paused"]


def test_a_pause_is_logged(ledger: Ledger, lease: Lease, paused: int) -> None:
    last = ledger.events(lease.study_id)[-1]
    assert last.kind == "trial_paused"
    assert last.payload == {"number": paused, "metrics": ESTIMATES, "reason": REASON, "epoch": lease.epoch}


def test_an_equal_pause_repeated_changes_nothing(ledger: Ledger, lease: Lease, paused: int) -> None:
    before = (ledger.trials(lease.study_id), ledger.events(lease.study_id))
    ledger.pause(lease, paused, dict(reversed(ESTIMATES.items())), reason=REASON)
    assert (ledger.trials(lease.study_id), ledger.events(lease.study_id)) == before


@pytest.mark.parametrize("change", [{"metrics": {"accuracy": 0.5}}, {"reason": "dominated by trial 4"}])
def test_another_pause_of_a_paused_trial_is_refused(
    ledger: Ledger, lease: Lease, paused: int, change: dict[str, Any]
) -> None:
    with pytest.raises(TrialStateError, match=r"PAUSED.*allowed in RUNNING"):
        ledger.pause(lease, paused, **({"metrics": ESTIMATES, "reason": REASON} | change))
    assert trial_of(ledger, lease, paused).metrics == ESTIMATES


def test_a_trial_that_does_not_run_is_not_paused(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a")])
    with pytest.raises(TrialStateError, match=r"PROPOSED.*allowed in RUNNING"):
        ledger.pause(lease, 0, ESTIMATES, reason=REASON)


def test_a_result_that_came_before_the_pause_stays(ledger: Ledger, lease: Lease, number: int) -> None:
    ledger.complete(lease.study_id, number, ESTIMATES)
    with pytest.raises(TrialStateError, match=r"DONE.*allowed in RUNNING"):
        ledger.pause(lease, number, ESTIMATES, reason=REASON)
    assert trial_of(ledger, lease, number).state is TrialState.DONE


def test_an_unknown_trial_is_not_paused(ledger: Ledger, lease: Lease) -> None:
    with pytest.raises(UnknownTrialError):
        ledger.pause(lease, 7, ESTIMATES, reason=REASON)


def test_a_driver_whose_lease_is_over_pauses_nothing(
    open_ledger: Callable[[], Ledger],
    ledger: Ledger,
    lease: Lease,
    number: int,
    let_lease_expire: Callable[[], None],
) -> None:
    let_lease_expire()
    open_ledger().acquire("rte", owner="second")
    with pytest.raises(FencedError):
        ledger.pause(lease, number, ESTIMATES, reason=REASON)
    assert trial_of(ledger, lease, number).state is TrialState.RUNNING


@pytest.mark.parametrize("metrics", [{}, {"accuracy": float("nan")}])
def test_a_pause_without_finite_estimates_is_refused(
    ledger: Ledger, lease: Lease, number: int, metrics: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match=r"no estimate|finite number"):
        ledger.pause(lease, number, metrics, reason=REASON)
    assert trial_of(ledger, lease, number).state is TrialState.RUNNING


def test_a_paused_trial_that_is_continued_runs_like_any_other(
    ledger: Ledger, lease: Lease, paused: int
) -> None:
    assert ledger.dispatch(lease, paused, "node-2") == 2
    trial = trial_of(ledger, lease, paused)
    assert (trial.state, trial.metrics, trial.reason) == (TrialState.RUNNING, None, None)
    assert outcomes(ledger, lease, paused) == ["paused", None]


def test_a_trial_can_be_paused_again(ledger: Ledger, lease: Lease, paused: int) -> None:
    ledger.dispatch(lease, paused)
    ledger.pause(lease, paused, {"accuracy": 0.5}, reason="dominated by trial 9")
    trial = trial_of(ledger, lease, paused)
    assert (trial.metrics, trial.reason) == ({"accuracy": 0.5}, "dominated by trial 9")
    assert outcomes(ledger, lease, paused) == ["paused", "paused"]


def test_a_late_result_of_a_paused_trial_is_taken(ledger: Ledger, lease: Lease, paused: int) -> None:
    assert ledger.complete(lease.study_id, paused, {"accuracy": 0.8}) == "stored"
    trial = trial_of(ledger, lease, paused)
    assert (trial.state, trial.metrics, trial.reason) == (TrialState.DONE, {"accuracy": 0.8}, None)
    assert trial.told_order == 0


def test_a_result_equal_to_the_estimates_is_still_a_result(ledger: Ledger, lease: Lease, paused: int) -> None:
    assert ledger.complete(lease.study_id, paused, ESTIMATES) == "stored"
    assert trial_of(ledger, lease, paused).state is TrialState.DONE


def test_a_paused_trial_that_is_given_up_keeps_no_estimates(
    ledger: Ledger, lease: Lease, paused: int
) -> None:
    ledger.fail(lease, paused, reason="oom", message="")
    trial = trial_of(ledger, lease, paused)
    assert (trial.state, trial.metrics, trial.reason) == (TrialState.FAILED, None, "oom")


def test_a_paused_trial_is_not_requeued(ledger: Ledger, lease: Lease, paused: int) -> None:
    with pytest.raises(TrialStateError, match=r"PAUSED.*allowed in RUNNING"):
        ledger.requeue(lease, paused, outcome="worker_lost")


def test_paused_trials_stay_paused_under_the_next_driver(
    open_ledger: Callable[[], Ledger],
    ledger: Ledger,
    lease: Lease,
    paused: int,
    proposal: MakeProposal,
    let_lease_expire: Callable[[], None],
) -> None:
    (running,) = ledger.propose(lease, [proposal("b")])
    ledger.dispatch(lease, running.number)
    let_lease_expire()
    successor = open_ledger()
    waiting = successor.requeue_open(successor.acquire("rte", owner="second"))
    assert [trial.number for trial in waiting] == [running.number]
    (kept,) = successor.trials(lease.study_id, states=[TrialState.PAUSED])
    assert (kept.number, kept.metrics, kept.reason) == (paused, ESTIMATES, REASON)


def test_a_paused_sub_network_is_not_proposed_again(
    ledger: Ledger, lease: Lease, paused: int, proposal: MakeProposal
) -> None:
    again = ledger.trial_by_key(lease.study_id, proposal("a").key)
    assert again is not None
    assert again.number == paused
