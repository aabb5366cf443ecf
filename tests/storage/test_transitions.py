from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from storage import (
    Lease,
    Ledger,
    Proposal,
    TrialState,
    TrialStateError,
    UnknownStudyError,
    UnknownTrialError,
)

MakeProposal = Callable[..., Proposal]


@pytest.fixture
def number(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> int:
    """A proposed trial."""
    return ledger.propose(lease, [proposal("a")])[0].number


def outcomes(ledger: Ledger, lease: Lease, number: int) -> list[str | None]:
    return [attempt.outcome for attempt in ledger.attempts(lease.study_id, number)]


def test_a_dispatched_trial_runs(ledger: Ledger, lease: Lease, number: int) -> None:
    assert ledger.dispatch(lease, number, "node-1") == 1
    trial = ledger.trial(lease.study_id, number)
    assert (trial.state, trial.attempts) == (TrialState.RUNNING, 1)
    (attempt,) = ledger.attempts(lease.study_id, number)
    assert (attempt.worker, attempt.outcome, attempt.ended_at) == ("node-1", None, None)


def test_a_second_dispatch_ends_the_first_attempt(ledger: Ledger, lease: Lease, number: int) -> None:
    ledger.dispatch(lease, number)
    assert ledger.dispatch(lease, number) == 2
    assert outcomes(ledger, lease, number) == ["superseded", None]


def test_a_result_ends_the_trial_and_its_attempt(ledger: Ledger, lease: Lease, number: int) -> None:
    ledger.dispatch(lease, number, "node-1")
    assert (
        ledger.complete(lease.study_id, number, {"b": 2, "a": 0.1}, worker="node-2", seconds=3.5) == "stored"
    )
    trial = ledger.trial(lease.study_id, number)
    assert (trial.state, trial.metrics, trial.told_order) == (TrialState.DONE, {"a": 0.1, "b": 2.0}, 0)
    (attempt,) = ledger.attempts(lease.study_id, number)
    assert (attempt.outcome, attempt.worker, attempt.seconds) == ("completed", "node-2", 3.5)


def test_an_equal_result_is_taken_once(ledger: Ledger, lease: Lease, number: int) -> None:
    ledger.complete(lease.study_id, number, {"a": 1.0, "b": 2.0})
    before = ledger.trial(lease.study_id, number)
    assert ledger.complete(lease.study_id, number, {"b": 2, "a": 1}) == "repeated"
    assert ledger.trial(lease.study_id, number) == before


def test_another_result_of_a_final_trial_is_a_logged_conflict(
    ledger: Ledger, lease: Lease, number: int
) -> None:
    ledger.complete(lease.study_id, number, {"a": 1.0})
    before = ledger.trial(lease.study_id, number)
    assert ledger.complete(lease.study_id, number, {"a": 1.0000000000000002}) == "conflict"
    assert ledger.trial(lease.study_id, number) == before
    last = ledger.events(lease.study_id)[-1]
    assert last.kind == "trial_conflict"
    assert last.payload == {"number": number, "state": "DONE", "offered": {"a": 1.0000000000000002}}


def test_a_late_result_of_a_failed_trial_is_a_conflict(ledger: Ledger, lease: Lease, number: int) -> None:
    ledger.fail(lease, number, reason="timeout", message="60 s")
    assert ledger.complete(lease.study_id, number, {"a": 1.0}) == "conflict"
    assert ledger.trial(lease.study_id, number).state is TrialState.FAILED


def test_a_late_result_of_a_requeued_trial_is_taken(ledger: Ledger, lease: Lease, number: int) -> None:
    ledger.dispatch(lease, number)
    ledger.requeue(lease, number, outcome="worker_lost")
    assert ledger.complete(lease.study_id, number, {"a": 1.0}) == "stored"
    assert outcomes(ledger, lease, number) == ["worker_lost"]


def test_results_are_told_in_the_order_in_which_they_came(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal(name) for name in "abcd"])
    ledger.complete(lease.study_id, 2, {"a": 1.0})
    ledger.fail(lease, 0, reason="oom", message="")
    ledger.complete(lease.study_id, 2, {"a": 1.0})
    ledger.complete(lease.study_id, 2, {"a": 7.0})
    ledger.complete(lease.study_id, 3, {"a": 1.0})
    assert [trial.told_order for trial in ledger.trials(lease.study_id)] == [1, None, 0, 2]


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), None, "1.5", 10**400, True, 1j, [1.0]],
    ids=lambda value: str(value)[:8],
)
def test_a_metric_that_is_no_finite_number_is_refused_before_writing(
    ledger: Ledger, lease: Lease, number: int, value: Any
) -> None:
    before = ledger.events(lease.study_id)
    with pytest.raises(ValueError, match=r"'a'.*finite number"):
        ledger.complete(lease.study_id, number, {"b": 1.0, "a": value})
    assert ledger.trial(lease.study_id, number).state is TrialState.PROPOSED
    assert ledger.events(lease.study_id) == before


@pytest.mark.parametrize(
    "value", [1e308, 5e-324, -1, np.float32(0.5), np.float64(0.1), np.int64(3), Fraction(1, 4)]
)
def test_a_metric_that_is_a_finite_number_is_stored_as_a_float(
    ledger: Ledger, lease: Lease, number: int, value: Any
) -> None:
    ledger.complete(lease.study_id, number, {"a": value})
    assert ledger.trial(lease.study_id, number).metrics == {"a": float(value)}


def test_a_result_without_metrics_is_refused(ledger: Ledger, lease: Lease, number: int) -> None:
    with pytest.raises(ValueError, match="no metric"):
        ledger.complete(lease.study_id, number, {})


def test_a_failed_trial_keeps_the_reason_and_the_message(ledger: Ledger, lease: Lease, number: int) -> None:
    ledger.dispatch(lease, number)
    ledger.fail(lease, number, reason="oom", message="CUDA out of memory")
    trial = ledger.trial(lease.study_id, number)
    assert (trial.state, trial.reason, trial.message) == (TrialState.FAILED, "oom", "CUDA out of memory")
    assert (trial.metrics, trial.told_order) == (None, 0)
    assert outcomes(ledger, lease, number) == ["failed"]


def test_any_message_of_a_failure_can_be_kept(ledger: Ledger, lease: Lease, number: int) -> None:
    ledger.fail(lease, number, reason="bug", message="\0 \ud800 " + "x" * 100_000)
    message = ledger.trial(lease.study_id, number).message
    assert message is not None
    assert message.startswith("\N{REPLACEMENT CHARACTER} ? xxx")
    assert len(message) == 8192


def test_a_requeued_trial_waits_again_and_counts_its_attempts(
    ledger: Ledger, lease: Lease, number: int
) -> None:
    ledger.dispatch(lease, number)
    ledger.requeue(lease, number, outcome="worker_lost")
    assert ledger.trial(lease.study_id, number).state is TrialState.PROPOSED
    assert ledger.dispatch(lease, number) == 2
    assert outcomes(ledger, lease, number) == ["worker_lost", None]


def test_a_waiting_trial_is_not_requeued(ledger: Ledger, lease: Lease, number: int) -> None:
    with pytest.raises(TrialStateError, match=r"PROPOSED.*RUNNING"):
        ledger.requeue(lease, number, outcome="worker_lost")


@pytest.mark.parametrize("state", ["DONE", "FAILED", "INFEASIBLE", "DUPLICATE"])
def test_a_final_trial_never_changes(
    ledger: Ledger, lease: Lease, proposal: MakeProposal, duplicate: MakeProposal, state: str
) -> None:
    ledger.propose(
        lease,
        [proposal("a"), proposal("b"), proposal("c", state=TrialState.INFEASIBLE), duplicate("a")],
    )
    ledger.complete(lease.study_id, 0, {"a": 1.0})
    ledger.fail(lease, 1, reason="oom", message="")
    number = {"DONE": 0, "FAILED": 1, "INFEASIBLE": 2, "DUPLICATE": 3}[state]
    before = ledger.trials(lease.study_id)
    for refused in (
        lambda: ledger.dispatch(lease, number),
        lambda: ledger.fail(lease, number, reason="bug", message=""),
        lambda: ledger.requeue(lease, number, outcome="lost"),
    ):
        with pytest.raises(TrialStateError, match=state):
            refused()
    assert ledger.complete(lease.study_id, number, {"a": 9.0}) == "conflict"
    assert ledger.trials(lease.study_id) == before


def test_an_unknown_trial_is_refused_by_each_change(ledger: Ledger, lease: Lease) -> None:
    for refused in (
        lambda: ledger.dispatch(lease, 0),
        lambda: ledger.complete(lease.study_id, 0, {"a": 1.0}),
        lambda: ledger.fail(lease, 0, reason="bug", message=""),
        lambda: ledger.requeue(lease, 0, outcome="lost"),
    ):
        with pytest.raises(UnknownTrialError):
            refused()


def test_a_result_of_an_unknown_study_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UnknownStudyError):
        ledger.complete(99, 0, {"a": 1.0})


def test_after_the_death_of_a_driver_the_trials_in_flight_wait_under_their_numbers(
    open_ledger: Callable[[], Ledger],
    ledger: Ledger,
    lease: Lease,
    proposal: MakeProposal,
    let_lease_expire: Callable[[], None],
) -> None:
    ledger.propose(lease, [proposal(name) for name in "abcde"])
    for number in (4, 0, 2):
        ledger.dispatch(lease, number)
    ledger.complete(lease.study_id, 2, {"a": 1.0})
    let_lease_expire()

    successor = open_ledger()
    new_lease = successor.acquire("rte", owner="second")
    waiting = successor.requeue_open(new_lease)
    assert [(trial.number, trial.attempts) for trial in waiting] == [(0, 1), (1, 0), (3, 0), (4, 1)]
    assert outcomes(successor, new_lease, 4) == ["driver_lost"]
    assert successor.dispatch(new_lease, 0) == 2


def test_with_nothing_in_flight_requeueing_logs_nothing(ledger: Ledger, lease: Lease, number: int) -> None:
    before = ledger.events(lease.study_id)
    assert [trial.number for trial in ledger.requeue_open(lease)] == [number]
    assert ledger.events(lease.study_id) == before
