from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from storage import (
    FencedError,
    Lease,
    LeaseHeldError,
    Ledger,
    Proposal,
    StudyExistsError,
    StudyRecord,
    StudyState,
    UnknownStudyError,
)


def test_a_created_study_is_read_back_equal(ledger: Ledger) -> None:
    created = ledger.create_study("rte", spec={"z": [1, 2.5], "a": None}, fingerprint={"model": "x"}, seed=3)
    assert ledger.study("rte") == created
    assert (created.state, created.epoch, created.sampler_state) == (StudyState.QUEUED, 0, {})
    assert created.created_at.utcoffset() is not None


def test_the_spec_keeps_its_order_of_keys(ledger: Ledger) -> None:
    ledger.create_study("rte", spec={"zz": 1, "a": {"y": 1, "b": 2}}, fingerprint={}, seed=0)
    spec = ledger.study("rte").spec
    assert (list(spec), list(spec["a"])) == (["zz", "a"], ["y", "b"])


def test_the_hash_of_the_spec_does_not_depend_on_the_order_of_keys(ledger: Ledger) -> None:
    one = ledger.create_study("one", spec={"a": 1, "b": 2}, fingerprint={}, seed=0)
    two = ledger.create_study("two", spec={"b": 2, "a": 1}, fingerprint={}, seed=0)
    other = ledger.create_study("other", spec={"a": 1, "b": 3}, fingerprint={}, seed=0)
    assert one.spec_sha256 == two.spec_sha256 != other.spec_sha256


def test_a_taken_name_is_refused(ledger: Ledger, study: StudyRecord) -> None:
    with pytest.raises(StudyExistsError, match="'rte'"):
        ledger.create_study("rte", spec={}, fingerprint={}, seed=0)


def test_an_unknown_study_is_named_with_the_known_ones(ledger: Ledger, study: StudyRecord) -> None:
    with pytest.raises(UnknownStudyError, match=r"'mrpc'.*rte"):
        ledger.study("mrpc")


def test_studies_are_listed_in_the_order_of_their_creation(ledger: Ledger) -> None:
    for name in ("b", "a", "c"):
        ledger.create_study(name, spec={}, fingerprint={}, seed=0)
    assert [study.name for study in ledger.studies()] == ["b", "a", "c"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\0b"},
        {"name": "half \ud800 pair"},
        {"name": "x" * 201},
        {"spec": {"a": float("nan")}},
        {"spec": {"a": "nul \0"}},
        {"spec": {"a": "half \udc00 pair"}},
        {"spec": {"a": 1j}},
        {"fingerprint": {"a": "\0"}},
        {"seed": -1},
        {"seed": 2**63},
    ],
    ids=repr,
)
def test_what_no_database_can_hold_is_refused_on_each(ledger: Ledger, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"name": "rte", "spec": {}, "fingerprint": {}, "seed": 0} | wrong
    with pytest.raises(ValueError, match=r"."):
        ledger.create_study(given.pop("name"), **given)
    assert ledger.studies() == []


def test_a_backslash_before_u0000_is_no_nul(ledger: Ledger) -> None:
    spec = {"pattern": "\\u0000", "other": "\\\\u0000"}
    ledger.create_study("rte", spec=spec, fingerprint={}, seed=0)
    assert ledger.study("rte").spec == spec


def test_the_holder_changes_the_state(ledger: Ledger, lease: Lease) -> None:
    ledger.set_study_state(lease, StudyState.PAUSED, "disk full")
    study = ledger.study("rte")
    assert (study.state, study.reason) == (StudyState.PAUSED, "disk full")


def test_who_does_not_hold_a_study_does_not_change_its_state(ledger: Ledger, lease: Lease) -> None:
    ledger.release(lease)
    with pytest.raises(FencedError):
        ledger.set_study_state(lease, StudyState.FAILED)
    assert ledger.study("rte").state is StudyState.QUEUED


def test_a_held_study_is_not_deleted(ledger: Ledger, lease: Lease) -> None:
    with pytest.raises(LeaseHeldError, match="first"):
        ledger.delete_study("rte")


def test_a_deleted_study_takes_its_trials_and_events_along(
    ledger: Ledger, lease: Lease, proposal: Callable[..., Proposal]
) -> None:
    ledger.propose(lease, [proposal()])
    ledger.dispatch(lease, 0)
    ledger.release(lease)
    ledger.delete_study("rte")
    assert ledger.studies() == []
    assert ledger.trials(lease.study_id) == []
    assert [event.kind for event in ledger.events(None)] == ["study_deleted"]


def test_a_lease_on_a_deleted_study_is_worth_nothing_on_the_next(ledger: Ledger, lease: Lease) -> None:
    ledger.release(lease)
    ledger.delete_study("rte")
    ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
    ledger.acquire("rte", owner=lease.owner)
    with pytest.raises(UnknownStudyError):
        ledger.propose(lease, [])


def test_deleting_an_unknown_study_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UnknownStudyError, match="stored studies: none"):
        ledger.delete_study("rte")


def test_a_ledger_refuses_to_be_pickled(ledger: Ledger) -> None:
    with pytest.raises(TypeError, match="pass records"):
        pickle.dumps(ledger)
