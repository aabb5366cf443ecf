"""How studies stand, read without what defines them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage import Lease, Ledger, Proposal, StudyRecord, StudyState, UnknownStudyError

MakeProposal = Callable[..., Proposal]


def test_a_status_agrees_with_the_study(ledger: Ledger, study: StudyRecord) -> None:
    status = ledger.study_status("rte")
    for name in ("id", "name", "state", "reason", "account", "created_at"):
        assert getattr(status, name) == getattr(study, name)
    assert (status.num_trials, status.is_held) == (0, False)


def test_a_status_follows_trials_state_and_events(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    before = ledger.study_status("rte")
    ledger.propose(lease, [proposal("a"), proposal("b")])
    ledger.set_study_state(lease, StudyState.FAILED, "no room")
    after = ledger.study_status("rte")
    assert (after.num_trials, after.state, after.reason) == (2, StudyState.FAILED, "no room")
    assert before.last_event < after.last_event == ledger.last_event_id(lease.study_id)


def test_a_study_is_held_until_its_driver_lets_it_go(ledger: Ledger, lease: Lease) -> None:
    assert ledger.study_status("rte").is_held
    ledger.release(lease)
    assert not ledger.study_status("rte").is_held


def test_the_statuses_of_an_account_are_those_of_its_studies(ledger: Ledger, study: StudyRecord) -> None:
    ledger.create_job("theirs", config={}, account="alice")
    ledger.create_study("theirs", spec={}, fingerprint={}, seed=0)
    for account in (None, "alice", "bob"):
        names = [study.name for study in ledger.studies(account)]
        assert [status.name for status in ledger.study_statuses(account)] == names
    assert [status.name for status in ledger.study_statuses()] == ["rte", "theirs"]


def test_an_unknown_study_has_no_status(ledger: Ledger, study: StudyRecord) -> None:
    with pytest.raises(UnknownStudyError, match=r"'mrpc'.*rte"):
        ledger.study_status("mrpc")
