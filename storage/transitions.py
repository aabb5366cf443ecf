"""Changes of a trial's state.

An open trial is dispatched, requeued, paused, failed, or completed; a final one never changes. All but the
last are decisions and need the current lease. A finished result is a fact: it is accepted from anybody while
the trial is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, null, select, update

from .counters import Claim, claim, claim_order, return_claim
from .errors import TrialStateError, UnknownTrialError
from .events import EventKind, add_event
from .leases import fence
from .records import OPEN_STATES, AttemptRecord, Completion, Lease, TrialRecord, TrialState
from .tables import attempt, trial
from .trials import IS_TRIAL, read_trials
from .values import json_sha256, storable_message

COMPLETED = "completed"
FAILED = "failed"
PAUSED = "paused"
SUPERSEDED = "superseded"
DRIVER_LOST = "driver_lost"

# Built once, as in `trials`.
_IS_OPEN_TRIAL = and_(IS_TRIAL, trial.c.told_order.is_(None))  # as the table has it
_COUNT_ATTEMPT = (
    update(trial)
    .where(_IS_OPEN_TRIAL)
    .values(state=TrialState.RUNNING, attempts=trial.c.attempts + 1, metrics=null(), reason=null())
    .returning(trial.c.attempts)
)
_TAKE_BACK = (
    update(trial).where(IS_TRIAL, trial.c.state == TrialState.RUNNING).values(state=TrialState.PROPOSED)
)
_END_TRIAL = update(trial).where(_IS_OPEN_TRIAL)
_PAUSE_TRIAL = (
    update(trial).where(IS_TRIAL, trial.c.state == TrialState.RUNNING).values(state=TrialState.PAUSED)
)
_AS_EXPECTED = trial.c.attempts == bindparam("at_attempts")
_COUNT_EXPECTED_ATTEMPT = _COUNT_ATTEMPT.where(_AS_EXPECTED)
_READ_STATE = select(trial.c.state, trial.c.result_sha256).where(IS_TRIAL)
_READ_FAILURE = select(trial.c.reason, trial.c.message).where(IS_TRIAL, trial.c.state == TrialState.FAILED)
_READ_RUN = select(trial.c.attempts).where(IS_TRIAL, trial.c.state == TrialState.RUNNING)
_READ_PAUSE = select(trial.c.metrics, trial.c.reason).where(IS_TRIAL, trial.c.state == TrialState.PAUSED)
_ADD_ATTEMPT = insert(attempt)
_READ_LAST_OUTCOME = select(attempt.c.outcome).where(
    attempt.c.study_id == trial.c.study_id,
    attempt.c.number == trial.c.number,
    attempt.c.attempt == trial.c.attempts,
    IS_TRIAL,
    trial.c.state == TrialState.PROPOSED,
)
_IS_OPEN_ATTEMPT = and_(attempt.c.study_id == bindparam("at_study"), attempt.c.ended_at.is_(None))
_END_ATTEMPT = update(attempt).where(_IS_OPEN_ATTEMPT, attempt.c.number == bindparam("at_number"))
_END_ATTEMPTS = update(attempt).where(
    _IS_OPEN_ATTEMPT, attempt.c.number.in_(bindparam("at_numbers", expanding=True))
)


def dispatch(
    connection: Connection, lease: Lease, number: int, worker: str | None, expected: int | None
) -> int:
    """Hands an open trial to a worker; returns which attempt it is, counted from 1.

    A paused one then runs like any other: its estimates and the reason of its pause are dropped. A trial
    whose `expected` attempt runs already stays as it is.

    Raises:
        FencedError: the lease is over.
        TrialStateError: the trial is final, or its next attempt is not the expected one.
    """
    now = fence(connection, lease)
    count = _count_attempt(connection, lease.study_id, number, expected)
    if count is None:
        running = connection.execute(_READ_RUN, _place(lease.study_id, number)).scalar_one_or_none()
        if expected is not None and running == expected:
            return expected
        raise _refusal(connection, lease.study_id, number, OPEN_STATES)
    if count > 1:
        _end_attempt(connection, lease.study_id, number, {"ended_at": now, "outcome": SUPERSEDED})
    row = {"study_id": lease.study_id, "number": number, "attempt": count, "worker": worker}
    connection.execute(_ADD_ATTEMPT, row | {"started_at": now})
    payload = {"number": number, "attempt": count, "worker": worker, "epoch": lease.epoch}
    add_event(connection, lease.study_id, EventKind.TRIAL_DISPATCHED, payload)
    return int(count)


def complete(
    connection: Connection,
    study_id: int,
    number: int,
    metrics: Mapping[str, float],
    *,
    worker: str | None,
    seconds: float | None,
) -> Completion:
    """Stores a result once; `metrics` are finite and sorted.

    Raises:
        UnknownTrialError: the study has none of that number.
    """
    claimed = claim_order(connection, study_id)
    sha256 = json_sha256(metrics)
    result = {"state": TrialState.DONE, "metrics": dict(metrics), "result_sha256": sha256, "reason": None}
    if claimed is None or not _end_trial(connection, study_id, number, result, claimed):
        if claimed is not None:
            return_claim(connection, study_id, orders=1)
        return _known_result(connection, study_id, number, metrics, sha256)
    ending: dict[str, Any] = {"ended_at": claimed.now, "outcome": COMPLETED, "seconds": seconds}
    _end_attempt(connection, study_id, number, ending | ({} if worker is None else {"worker": worker}))
    payload = {"number": number, "metrics": dict(metrics), "worker": worker, "seconds": seconds}
    add_event(connection, study_id, EventKind.TRIAL_COMPLETED, payload)
    return "stored"


def fail(connection: Connection, lease: Lease, number: int, *, reason: str, message: str) -> None:
    """Gives an open trial up; an equal failure changes nothing.

    Raises:
        FencedError: the lease is over.
        TrialStateError: the trial is final, perhaps because its result came after all.
    """
    claimed = claim(connection, lease, orders=1)
    kept = storable_message(message)
    result = {"state": TrialState.FAILED, "metrics": None, "reason": reason, "message": kept}
    if claimed is None or not _end_trial(connection, lease.study_id, number, result, claimed):
        if not _has_failed_so(connection, lease.study_id, number, reason, kept):
            raise _refusal(connection, lease.study_id, number, OPEN_STATES)
        if claimed is not None:
            return_claim(connection, lease.study_id, orders=1)
        return
    _end_attempt(connection, lease.study_id, number, {"ended_at": claimed.now, "outcome": FAILED})
    payload = {"number": number, "reason": reason, "message": kept, "epoch": lease.epoch}
    add_event(connection, lease.study_id, EventKind.TRIAL_FAILED, payload)


def pause(
    connection: Connection, lease: Lease, number: int, metrics: Mapping[str, float], *, reason: str
) -> None:
    """Stops a running trial early; `metrics` are finite and sorted estimates. An equal pause changes nothing.

    Raises:
        FencedError: the lease is over.
        TrialStateError: the trial does not run, perhaps because its result came after all.
    """
    now = fence(connection, lease)
    estimates = {"metrics": dict(metrics), "reason": reason}
    if connection.execute(_PAUSE_TRIAL, _place(lease.study_id, number) | estimates).rowcount == 0:
        if not _is_paused_so(connection, lease.study_id, number, estimates):
            raise _refusal(connection, lease.study_id, number, (TrialState.RUNNING,))
        return
    _end_attempt(connection, lease.study_id, number, {"ended_at": now, "outcome": PAUSED})
    payload = {"number": number, **estimates, "epoch": lease.epoch}
    add_event(connection, lease.study_id, EventKind.TRIAL_PAUSED, payload)


def requeue(connection: Connection, lease: Lease, number: int, *, outcome: str) -> None:
    """Takes a running trial back from its worker, to be dispatched again under the same number.

    One that waits since its last attempt ended with this outcome stays as it is.

    Raises:
        FencedError: the lease is over.
        TrialStateError: the trial does not run.
    """
    now = fence(connection, lease)
    if connection.execute(_TAKE_BACK, _place(lease.study_id, number)).rowcount == 0:
        last = connection.execute(_READ_LAST_OUTCOME, _place(lease.study_id, number)).scalar_one_or_none()
        if last != outcome:
            raise _refusal(connection, lease.study_id, number, (TrialState.RUNNING,))
        return
    _end_attempt(connection, lease.study_id, number, {"ended_at": now, "outcome": outcome})
    _log_requeue(connection, lease, [number], outcome)


def requeue_open(connection: Connection, lease: Lease) -> list[TrialRecord]:
    """Takes back every running trial of a driver that died; returns all that wait for dispatch.

    Raises:
        FencedError: the lease is over.
    """
    now = fence(connection, lease)
    is_running = and_(trial.c.study_id == lease.study_id, trial.c.state == TrialState.RUNNING)
    query = select(trial.c.number).where(is_running).order_by(trial.c.number)
    numbers = list(connection.execute(query).scalars())
    if numbers:
        connection.execute(update(trial).where(is_running).values(state=TrialState.PROPOSED))
        ending = {"ended_at": now, "outcome": DRIVER_LOST}
        connection.execute(_END_ATTEMPTS, {"at_study": lease.study_id, "at_numbers": numbers, **ending})
        _log_requeue(connection, lease, numbers, DRIVER_LOST)
    return read_trials(connection, lease.study_id, {TrialState.PROPOSED})


def read_attempts(connection: Connection, study_id: int, number: int) -> list[AttemptRecord]:
    """Attempts at a trial, first to last."""
    is_wanted = and_(attempt.c.study_id == study_id, attempt.c.number == number)
    rows = connection.execute(select(attempt).where(is_wanted).order_by(attempt.c.attempt)).mappings()
    return [AttemptRecord(**row) for row in rows]


def _count_attempt(connection: Connection, study_id: int, number: int, expected: int | None) -> int | None:
    """Makes an open trial run; None when it is not open, or this is not the expected attempt."""
    place = _place(study_id, number)
    if expected is None:
        return connection.execute(_COUNT_ATTEMPT, place).scalar_one_or_none()
    guarded = place | {"at_attempts": expected - 1}
    return connection.execute(_COUNT_EXPECTED_ATTEMPT, guarded).scalar_one_or_none()


def _end_trial(
    connection: Connection, study_id: int, number: int, result: Mapping[str, Any], claimed: Claim
) -> bool:
    """Makes an open trial final; False when it is not open."""
    final = {**result, "told_order": claimed.first_order, "ended_at": claimed.now}
    return connection.execute(_END_TRIAL, _place(study_id, number) | final).rowcount > 0


def _known_result(
    connection: Connection, study_id: int, number: int, metrics: Mapping[str, float], sha256: str
) -> Completion:
    stored = connection.execute(_READ_STATE, _place(study_id, number)).one_or_none()
    if stored is None:
        raise UnknownTrialError(study_id, number)
    if stored.result_sha256 == sha256:
        return "repeated"
    payload = {"number": number, "state": stored.state.value, "offered": dict(metrics)}
    add_event(connection, study_id, EventKind.TRIAL_CONFLICT, payload)
    return "conflict"


def _is_paused_so(connection: Connection, study_id: int, number: int, estimates: Mapping[str, Any]) -> bool:
    """Whether the trial is paused with these estimates for this reason."""
    stored = connection.execute(_READ_PAUSE, _place(study_id, number)).one_or_none()
    return stored is not None and stored._asdict() == estimates


def _has_failed_so(connection: Connection, study_id: int, number: int, reason: str, message: str) -> bool:
    """Whether the trial was given up for this reason with this message."""
    stored = connection.execute(_READ_FAILURE, _place(study_id, number)).one_or_none()
    return stored is not None and tuple(stored) == (reason, message)


def _end_attempt(connection: Connection, study_id: int, number: int, ending: Mapping[str, Any]) -> None:
    connection.execute(_END_ATTEMPT, {**_place(study_id, number), **ending})


def _log_requeue(connection: Connection, lease: Lease, numbers: list[int], outcome: str) -> None:
    payload = {"numbers": numbers, "outcome": outcome, "epoch": lease.epoch}
    add_event(connection, lease.study_id, EventKind.TRIALS_REQUEUED, payload)


def _refusal(
    connection: Connection, study_id: int, number: int, allowed: tuple[TrialState, ...]
) -> Exception:
    stored = connection.execute(_READ_STATE, _place(study_id, number)).one_or_none()
    if stored is None:
        return UnknownTrialError(study_id, number)
    return TrialStateError(study_id, number, stored.state.value, tuple(one.value for one in allowed))


def _place(study_id: int, number: int) -> dict[str, Any]:
    return {"at_study": study_id, "at_number": number}
