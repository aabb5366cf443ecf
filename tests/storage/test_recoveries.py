from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from storage import (
    Lease,
    Ledger,
    Proposal,
    RecoveryRecord,
    UnknownStudyError,
    UnknownTrialError,
)

SHA = "a" * 64
RECORD = RecoveryRecord(
    study_id=1,
    trial=0,
    kind="recovered",
    key="key-a",
    config={"hidden": 8, "layers": [None, {"heads": 2, "ffn": 16}]},
    recipe={"schedule": "one_shot", "passes": 30, "learning_rate": 1e-4},
    recipe_sha256=SHA,
    metrics_before={"accuracy": 0.5, "loss": 0.9},
    metrics_after={"accuracy": 0.75, "loss": 0.6},
    passes=30,
    examples=960,
    seconds=12.5,
    weights_file="key-a.safetensors",
    weights_sha256="b" * 64,
)


@pytest.fixture
def record(ledger: Ledger, lease: Lease, proposal: Callable[..., Proposal]) -> RecoveryRecord:
    """Fits a study with two trials."""
    ledger.propose(lease, [proposal(name) for name in "ab"])
    return dataclasses.replace(RECORD, study_id=lease.study_id)


def test_a_recovery_is_read_back_by_its_recipe(ledger: Ledger, record: RecoveryRecord) -> None:
    ledger.put_recovery(record)
    found = ledger.recovery(record.study_id, "recovered", "key-a", SHA)
    assert found is not None
    assert found.created_at is not None
    assert dataclasses.replace(found, created_at=None) == record


@pytest.mark.parametrize(
    "other", [{"kind": "random"}, {"key": "key-b"}, {"recipe_sha256": "c" * 64}, {"study_id": 77}]
)
def test_a_recovery_is_known_for_its_study_kind_key_and_recipe_only(
    ledger: Ledger, record: RecoveryRecord, other: dict[str, object]
) -> None:
    ledger.put_recovery(record)
    asked = dataclasses.replace(record, **other)  # type: ignore[arg-type]
    assert ledger.recovery(asked.study_id, asked.kind, asked.key, asked.recipe_sha256) is None


def test_recoveries_are_listed_in_the_order_in_which_they_were_made(
    ledger: Ledger, record: RecoveryRecord
) -> None:
    for kind in ("scratch", "recovered", "random"):
        ledger.put_recovery(dataclasses.replace(record, kind=kind))  # type: ignore[arg-type]
    assert [found.kind for found in ledger.recoveries(record.study_id)] == ["scratch", "recovered", "random"]


def test_a_repeated_recovery_takes_the_place_of_the_first(ledger: Ledger, record: RecoveryRecord) -> None:
    ledger.put_recovery(record)
    ledger.put_recovery(dataclasses.replace(record, metrics_after={"accuracy": 0.8}, seconds=9.0))
    (kept,) = ledger.recoveries(record.study_id)
    assert (kept.metrics_after, kept.seconds) == ({"accuracy": 0.8}, 9.0)


def test_a_recovery_is_logged(ledger: Ledger, record: RecoveryRecord) -> None:
    ledger.put_recovery(record)
    (event,) = ledger.events(record.study_id, kind="subnet_recovered")
    assert event.payload == {"kind": "recovered", "trial": 0, "key": "key-a", "passes": 30}


def test_a_baseline_may_have_no_metrics_before(ledger: Ledger, record: RecoveryRecord) -> None:
    ledger.put_recovery(dataclasses.replace(record, kind="scratch", metrics_before={}))
    assert ledger.recoveries(record.study_id)[0].metrics_before == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pruned"},
        {"passes": -1},
        {"seconds": float("nan")},
        {"metrics_after": {"accuracy": float("inf")}},
        {"weights_file": "x" * 201},
    ],
)
def test_a_wrong_recovery_is_refused(
    ledger: Ledger, record: RecoveryRecord, wrong: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"allowed (is|are)"):
        ledger.put_recovery(dataclasses.replace(record, **wrong))  # type: ignore[arg-type]
    assert ledger.recoveries(record.study_id) == []


def test_a_recovery_of_a_trial_or_study_that_is_not_there_is_refused(
    ledger: Ledger, record: RecoveryRecord
) -> None:
    with pytest.raises(UnknownTrialError):
        ledger.put_recovery(dataclasses.replace(record, trial=9))
    with pytest.raises(UnknownStudyError):
        ledger.put_recovery(dataclasses.replace(record, study_id=99))


def test_recoveries_go_with_their_study(ledger: Ledger, lease: Lease, record: RecoveryRecord) -> None:
    ledger.put_recovery(record)
    ledger.release(lease)
    ledger.delete_study("rte")
    assert ledger.recoveries(record.study_id) == []
