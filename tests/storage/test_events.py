from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import Lease, Ledger, Proposal, StudyRecord, StudyState, UnknownStudyError


def test_every_change_is_logged_in_its_order(
    ledger: Ledger, lease: Lease, proposal: Callable[..., Proposal]
) -> None:
    ledger.set_study_state(lease, StudyState.RUNNING)
    ledger.propose(lease, [proposal(name) for name in "abc"])
    ledger.dispatch(lease, 0)
    ledger.requeue(lease, 0, outcome="worker_lost")
    ledger.complete(lease.study_id, 0, {"a": 1.0})
    ledger.complete(lease.study_id, 0, {"a": 1.0})
    ledger.complete(lease.study_id, 0, {"a": 2.0})
    ledger.fail(lease, 1, reason="oom", message="")
    ledger.release(lease)
    logged = ledger.events(lease.study_id)
    assert [event.kind for event in logged] == [
        "study_created",
        "lease_acquired",
        "state_changed",
        "trials_proposed",
        "trial_dispatched",
        "trials_requeued",
        "trial_completed",
        "trial_conflict",
        "trial_failed",
        "lease_released",
    ]
    assert [event.id for event in logged] == sorted({event.id for event in logged})
    assert [event.at for event in logged] == sorted(event.at for event in logged)


def test_events_are_read_on_from_the_last_one_seen(ledger: Ledger, study: StudyRecord) -> None:
    for count in range(5):
        ledger.add_event(study.id, "tick", {"count": count})
    first = ledger.events(study.id, limit=3)
    rest = ledger.events(study.id, after=first[-1].id)
    assert [event.payload.get("count") for event in first + rest] == [None, 0, 1, 2, 3, 4]


def test_the_newest_events_come_oldest_first_and_of_some_kinds_only(
    ledger: Ledger, study: StudyRecord
) -> None:
    for count in range(5):
        ledger.add_event(study.id, "tick", {"count": count})
        ledger.add_event(study.id, "tock", {})
    assert ledger.newest_events(study.id, limit=3) == ledger.events(study.id)[-3:]
    ticks = ledger.newest_events(study.id, limit=2, kinds=["tick"])
    assert [event.payload["count"] for event in ticks] == [3, 4]
    assert ledger.newest_events(study.id, limit=100) == ledger.events(study.id)


def test_an_added_event_is_known_by_its_id(ledger: Ledger, study: StudyRecord) -> None:
    added = ledger.add_event(study.id, "stop_requested", {"by": "me"})
    assert ledger.events(study.id)[-1].id == added


def test_events_of_other_studies_stay_apart(ledger: Ledger, study: StudyRecord) -> None:
    other = ledger.create_study("other", spec={}, fingerprint={}, seed=0)
    ledger.add_event(None, "started", {})
    assert [event.kind for event in ledger.events(other.id)] == ["study_created"]
    assert len(ledger.events(None)) == 3


def test_an_event_of_an_unknown_study_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UnknownStudyError):
        ledger.add_event(42, "tick", {})


def test_a_refused_change_logs_nothing(ledger: Ledger, lease: Lease) -> None:
    before = ledger.events(None)
    with pytest.raises(ValueError, match=r"NaN|nan|Out of range"):
        ledger.add_event(lease.study_id, "tick", {"value": float("nan")})
    assert ledger.events(None) == before


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.text(max_size=210), value=st.text(max_size=20))
def test_any_text_is_kept_verbatim_or_refused(ledger: Ledger, kind: str, value: str) -> None:
    try:
        ledger.add_event(None, kind, {value: value})
    except ValueError:
        is_encodable = (kind + value).encode(errors="ignore").decode() == kind + value
        assert "\0" in kind + value or not kind or len(kind) > 200 or not is_encodable
        return
    last = ledger.events(None, limit=10_000)[-1]
    assert (last.kind, last.payload) == (kind, {value: value})
