"""Trials: proposed in one transaction, read in the order of their numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, select, text
from sqlalchemy.exc import IntegrityError

from .counters import Claim, claim, return_claim
from .errors import DuplicateKeyError, NumberError, UnknownTrialError
from .events import EventKind, add_event
from .failures import is_duplicate
from .records import Lease, Proposal, TrialRecord, TrialState
from .tables import sampler_state, trial
from .values import finite_metrics

PROPOSABLE_STATES = (TrialState.PROPOSED, TrialState.INFEASIBLE, TrialState.DUPLICATE)

_FIELDS = tuple(field.name for field in dataclasses.fields(TrialRecord))
_COLUMNS = tuple(trial.c[name] for name in _FIELDS)
_NO_DUPLICATE = text("state <> 'DUPLICATE'")  # spelt as in the index, which is then used

# Statements that every trial runs are built once: building one takes longer than running it. Their
# parameters are named apart from columns, which an UPDATE would take for values to set.
IS_TRIAL = and_(trial.c.study_id == bindparam("at_study"), trial.c.number == bindparam("at_number"))
_READ_TRIAL = select(*_COLUMNS).where(IS_TRIAL)
_ADD_TRIALS = insert(trial)
_FORGET_SAMPLER = delete(sampler_state).where(sampler_state.c.study_id == bindparam("at_study"))
_KEEP_SAMPLER = insert(sampler_state)


def checked_proposals(proposals: Iterable[Proposal]) -> list[Proposal]:
    """The proposals with finite costs and metrics.

    Raises:
        ValueError: a state, key or number is not allowed.
    """
    return [_checked(proposal) for proposal in proposals]


def propose(
    connection: Connection,
    lease: Lease,
    proposals: Sequence[Proposal],
    new_sampler_state: Mapping[str, Any] | None,
    *,
    waiting: Sequence[int] | None = None,
    first: int | None = None,
) -> list[TrialRecord]:
    """Gives checked proposals the next numbers, and those that are final at once their order of telling.

    Proposals that have the numbers from `first` on already are handed out as they are stored.

    Raises:
        FencedError: the lease is over.
        DuplicateKeyError: a sub-network is a trial already and not proposed as a DUPLICATE.
        NumberError: the next number is not `first`, and other trials have the numbers since.
    """
    num_final = sum(proposal.state.is_final for proposal in proposals)
    claimed = claim(connection, lease, numbers=len(proposals), orders=num_final)
    assert claimed is not None  # each order comes with a number
    if first is not None and claimed.first_number != first:
        return_claim(connection, lease.study_id, numbers=len(proposals), orders=num_final)
        return _stored_before(connection, lease.study_id, proposals, first, claimed.first_number)
    records = _numbered(lease.study_id, claimed, proposals)
    if records:
        _insert(connection, lease, records, waiting)
    if new_sampler_state is not None:
        connection.execute(_FORGET_SAMPLER, {"at_study": lease.study_id})
        connection.execute(_KEEP_SAMPLER, {"study_id": lease.study_id, "state": dict(new_sampler_state)})
    return records


def read_trials(
    connection: Connection,
    study_id: int,
    states: Collection[TrialState] | None = None,
    *,
    after: int = -1,
    limit: int | None = None,
) -> list[TrialRecord]:
    """Trials of a study with numbers above `after`, in their order; only those in `states` if given."""
    is_wanted = and_(trial.c.study_id == study_id, trial.c.number > after)
    query = select(*_COLUMNS).where(is_wanted).order_by(trial.c.number).limit(limit)
    if states is not None:
        query = query.where(trial.c.state.in_(list(states)))
    return [_record(row) for row in connection.execute(query)]


def read_told(connection: Connection, study_id: int, *, after: int, limit: int) -> list[TrialRecord]:
    """Trials that became final later than the one told in order `after`, in that order."""
    is_wanted = and_(trial.c.study_id == study_id, trial.c.told_order > after)
    query = select(*_COLUMNS).where(is_wanted).order_by(trial.c.told_order).limit(limit)
    return [_record(row) for row in connection.execute(query)]


def read_trial(connection: Connection, study_id: int, number: int) -> TrialRecord:
    """One trial.

    Raises:
        UnknownTrialError: the study has none of that number.
    """
    row = connection.execute(_READ_TRIAL, {"at_study": study_id, "at_number": number}).one_or_none()
    if row is None:
        raise UnknownTrialError(study_id, number)
    return _record(row)


def read_numbered(connection: Connection, study_id: int, numbers: Sequence[int]) -> list[TrialRecord]:
    """Trials in the order of the given numbers.

    Raises:
        UnknownTrialError: the study has none of a number.
    """
    is_wanted = and_(trial.c.study_id == study_id, trial.c.number.in_(set(numbers)))
    found = {row.number: _record(row) for row in connection.execute(select(*_COLUMNS).where(is_wanted))}
    for number in numbers:
        if number not in found:
            raise UnknownTrialError(study_id, number)
    return [found[number] for number in numbers]


def trial_by_key(connection: Connection, study_id: int, key: str) -> TrialRecord | None:
    """The trial of a sub-network that is no duplicate."""
    is_wanted = (trial.c.study_id == study_id, trial.c.key == key, _NO_DUPLICATE)
    row = connection.execute(select(*_COLUMNS).where(*is_wanted)).one_or_none()
    return None if row is None else _record(row)


def _stored_before(
    connection: Connection, study_id: int, proposals: Sequence[Proposal], first: int, next_number: int
) -> list[TrialRecord]:
    """The last trials, if they are these proposals: the answer that an earlier call could not give."""
    query = select(*_COLUMNS).where(trial.c.study_id == study_id, trial.c.number >= first)
    stored = [_record(row) for row in connection.execute(query.order_by(trial.c.number))]
    given = [(proposal.key, proposal.reused_from) for proposal in proposals]
    if [(record.key, record.reused_from) for record in stored] != given:
        raise NumberError(study_id, first, next_number)
    return stored


def _insert(
    connection: Connection, lease: Lease, records: list[TrialRecord], waiting: Sequence[int] | None
) -> None:
    try:
        connection.execute(_ADD_TRIALS, [_row(record) for record in records])
    except IntegrityError as error:
        if not is_duplicate(error):
            raise
        keys = (record.key for record in records if record.state is not TrialState.DUPLICATE)
        raise DuplicateKeyError(lease.study_id, tuple(keys)) from error
    payload = {
        "epoch": lease.epoch,
        "numbers": [record.number for record in records],
        "final": [[record.number, record.state.value] for record in records if record.state.is_final],
        **({} if waiting is None else {"waiting": list(waiting)}),
    }
    add_event(connection, lease.study_id, EventKind.TRIALS_PROPOSED, payload)


def _numbered(study_id: int, claimed: Claim, proposals: Sequence[Proposal]) -> list[TrialRecord]:
    told = claimed.first_order
    records = []
    for number, proposal in enumerate(proposals, start=claimed.first_number):
        if proposal.reused_from is not None and not 0 <= proposal.reused_from < number:
            raise ValueError(
                f"trial {number} repeats trial {proposal.reused_from}, allowed are trials before it"
            )
        is_final = proposal.state.is_final
        records.append(_new_record(study_id, number, proposal, told if is_final else None, claimed.now))
        told += is_final
    return records


def _new_record(
    study_id: int, number: int, proposal: Proposal, told_order: int | None, now: datetime
) -> TrialRecord:
    return TrialRecord(
        study_id=study_id,
        number=number,
        key=proposal.key,
        config=dict(proposal.config),
        parameters=dict(proposal.parameters),
        sampler_attributes=dict(proposal.sampler_attributes),
        costs=dict(proposal.costs),
        origin=proposal.origin,
        state=proposal.state,
        reused_from=proposal.reused_from,
        metrics=None if proposal.metrics is None else dict(proposal.metrics),
        reason=proposal.reason,
        message=None,
        attempts=0,
        told_order=told_order,
        created_at=now,
        ended_at=None if told_order is None else now,
    )


def _checked(proposal: Proposal) -> Proposal:
    if proposal.state not in PROPOSABLE_STATES:
        raise ValueError(
            f"proposal {proposal.key!r} has state {proposal.state}, "
            f"allowed are {', '.join(PROPOSABLE_STATES)}"
        )
    if not proposal.key:
        raise ValueError("a proposal has an empty key: give the canonical key of its sub-network")
    is_duplicate = proposal.state is TrialState.DUPLICATE
    if is_duplicate != (proposal.reused_from is not None):
        raise ValueError(
            f"proposal {proposal.key!r} with state {proposal.state} has reused_from={proposal.reused_from}: "
            "a DUPLICATE names the trial that it repeats, no other does"
        )
    if proposal.metrics is not None and not is_duplicate:
        raise ValueError(f"proposal {proposal.key!r} has metrics before it was evaluated: leave them out")
    metrics = None if proposal.metrics is None else finite_metrics(proposal.metrics)
    return dataclasses.replace(proposal, costs=finite_metrics(proposal.costs, "cost"), metrics=metrics)


def _row(record: TrialRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _FIELDS}


def _record(row: Row[Any]) -> TrialRecord:
    return TrialRecord(**dict(zip(_FIELDS, row, strict=True)))
