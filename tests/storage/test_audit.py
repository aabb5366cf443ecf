"""The audit finds what contradicts the promises, and nothing in a sound history."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import create_engine

from storage import Lease, Ledger, StudyRecord

Propose = Callable[..., object]


@pytest.fixture
def history(
    ledger: Ledger, study: StudyRecord, lease: Lease, proposal: Propose, duplicate: Propose
) -> Callable[[], list[str]]:
    """A study with a trial of every kind; calling it audits."""
    ledger.propose(lease, [proposal(name) for name in "abcd"])  # type: ignore[list-item]
    ledger.propose(lease, [duplicate("a")])  # type: ignore[list-item]
    for number in range(3):
        ledger.dispatch(lease, number)
    ledger.requeue(lease, 0, outcome="worker_lost")
    ledger.dispatch(lease, 0)
    ledger.complete(study.id, 0, {"accuracy": 0.5})
    ledger.fail(lease, 1, reason="bug", message="")
    ledger.pause(lease, 2, {"accuracy": 0.1}, reason="dominated")

    return lambda: ledger.audit(study.id)


def test_a_sound_history_has_no_contradiction(history: Callable[[], list[str]]) -> None:
    assert history() == []


_AGAIN = (
    "INSERT INTO nas_event (study_id, at, kind, payload) "
    "SELECT study_id, at, kind, payload FROM nas_event WHERE kind = "
)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE nas_trial SET metrics = '{\"accuracy\": 0.9}' WHERE number = 0", "has another result"),
        ("UPDATE nas_trial SET told_order = 9 WHERE number = 0", "orders of telling have gaps"),
        ("UPDATE nas_trial SET attempts = 3 WHERE number = 0", "counts 3 attempts, stored are 2"),
        ("UPDATE nas_trial SET state = 'RUNNING' WHERE number = 2", "yet an attempt at it has ended"),
        (
            "UPDATE nas_trial SET state = 'PROPOSED', told_order = NULL, ended_at = NULL WHERE number = 1",
            "is PROPOSED, the log says trial_failed",
        ),
        ("DELETE FROM nas_trial WHERE number = 3", "5 trials were proposed, 4 are stored"),
        (_AGAIN + "'trial_completed'", "trial_completed of trial 0, which had ended"),
        (_AGAIN + "'trials_proposed'", "was proposed 2 times"),
        (_AGAIN + "'lease_acquired'", "epoch 1 follows epoch 1"),
        ("DELETE FROM nas_event WHERE kind = 'lease_acquired'", "of epoch 1 in epoch 0"),
    ],
)
def test_what_was_tampered_with_is_found(
    history: Callable[[], list[str]], url: str, statement: str, found: str
) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
    assert any(found in problem for problem in history()), history()
