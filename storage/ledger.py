"""The ledger: the truth about studies, trials and measurements, behind one class."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

from . import audit, events, leases, recoveries, schema, studies, targets, transitions, trials
from .account_ledger import AccountLedger
from .account_records import ALL, AllAccounts
from .database import Database, readable
from .engine import check_durable, create_engine
from .job_ledger import JobLedger
from .location import parsed_url
from .measurement_ledger import MeasurementLedger
from .records import (
    Completion,
    EventRecord,
    Lease,
    Proposal,
    RecoveryRecord,
    StudyRecord,
    StudyState,
    StudyStatus,
    TargetRecord,
    TrialRecord,
)
from .trial_ledger import TrialLedger
from .values import finite_metrics

_ALL = 2**62


class Ledger(JobLedger, TrialLedger, MeasurementLedger, AccountLedger):
    """Studies and measurements in one database, given by a URL.

    Each method is one short transaction, durable when it returns. Threads may share a ledger; a process
    that forks, and a worker elsewhere, opens its own or none: it can't be pickled, as it knows a password.

    Every method can raise UnreachableError, and every one that writes DiskFullError, ReadOnlyError and,
    for a value that the database can't hold, ValueError. A method that takes a lease raises FencedError
    when the lease is over, and has then written nothing.
    """

    @classmethod
    def open(cls, url: str, *, upgrade: bool = False) -> Self:
        """Opens a database and makes the tables if it has none.

        Args:
            url: such as "sqlite:///nas.db" or "postgresql://user@host/database".
            upgrade: bring older tables to the newest revision instead of refusing them.

        Raises:
            DatabaseUrlError: the URL is wrong, or names a file on a network file system.
            SchemaError: the tables are newer, or older and not to be upgraded.
        """
        database = Database(create_engine(parsed_url(url)))
        try:
            database.read(lambda connection: check_durable(connection, database.url))
            schema.check(database, url, may_upgrade=upgrade)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"the ledger of {self.url} can't be pickled: only the driver writes, pass records")

    @property
    def url(self) -> str:
        """The URL of the database, its password hidden."""
        return self._database.url

    def schema_revision(self) -> str | None:
        """Revision of the tables."""
        return self._database.read(schema.revision_of)

    def open_connections(self) -> int:
        """Connections in use now; 0 between calls."""
        return self._database.open_connections()

    def readable(self) -> None:
        """Asks the database for nothing but an answer; raises UnreachableError when there is none."""
        self._database.read(readable)

    # Studies

    def create_study(
        self, name: str, *, spec: Mapping[str, Any], fingerprint: Mapping[str, str], seed: int
    ) -> StudyRecord:
        """Stores a study in state QUEUED; raises StudyExistsError when the name is taken.

        It belongs to the account of the newest search job of that name.
        """
        return self._database.write(
            lambda connection: studies.create_study(
                connection, name, spec=spec, fingerprint=fingerprint, seed=seed
            )
        )

    def study(self, name: str) -> StudyRecord:
        """The study of that name; raises UnknownStudyError."""
        return self._database.read(lambda connection: studies.read_study(connection, name))

    def studies(self, account: str | AllAccounts | None = ALL) -> list[StudyRecord]:
        """Studies of an account, or with None those of no account, oldest first."""
        return self._database.read(lambda connection: studies.read_studies(connection, account))

    def study_status(self, name: str) -> StudyStatus:
        """How the study of that name stands; cheap. Raises UnknownStudyError without one."""
        return self._database.read(lambda connection: studies.read_status(connection, name))

    def study_statuses(self, account: str | AllAccounts | None = ALL) -> list[StudyStatus]:
        """How studies stand, as `studies` orders them; cheap."""
        return self._database.read(lambda connection: studies.read_statuses(connection, account))

    def delete_study(self, name: str) -> None:
        """Deletes a study, its trials and events; raises LeaseHeldError while a driver holds it."""
        self._database.write(lambda connection: studies.delete_study(connection, name))

    def set_study_state(self, lease: Lease, state: StudyState, reason: str | None = None) -> None:
        """Writes the state of the study and, for people, the reason."""
        self._database.write(
            lambda connection: studies.set_state(connection, lease, state, reason), idempotent=True
        )

    # Leases

    def acquire(self, name: str, *, owner: str, seconds: float = 10.0) -> Lease:
        """Takes a study that nobody holds; raises LeaseHeldError, with the holder, when somebody does."""
        if not owner:
            raise ValueError("the owner of a lease is empty: name the driver, such as host:pid")
        if not seconds > 0:
            raise ValueError(f"a lease of {seconds} s, allowed are more than 0")
        return self._database.write(
            lambda connection: leases.acquire(connection, name, owner=owner, seconds=seconds)
        )

    def renew(self, lease: Lease) -> None:
        """Counts the seconds of the lease anew."""
        self._database.write(lambda connection: leases.renew(connection, lease), idempotent=True)

    def release(self, lease: Lease) -> None:
        """Gives the study back; harmless when the lease is over."""
        self._database.write(lambda connection: leases.release(connection, lease), idempotent=True)

    # Trials

    def propose(
        self,
        lease: Lease,
        proposals: Sequence[Proposal],
        *,
        sampler_state: Mapping[str, Any] | None = None,
        waiting: Sequence[int] | None = None,
        first: int | None = None,
    ) -> list[TrialRecord]:
        """Stores proposals under the next numbers, all or none, and the sampler's state with them.

        The event of it names the trials that the sampler took for open, `waiting`, if it was asked. May be
        called again if given the number that the first proposal gets, `first`: what is stored already is
        then handed out.

        Raises:
            DuplicateKeyError: a sub-network is a trial already and not proposed as a DUPLICATE.
            NumberError: the next number is not `first`, and other trials have the numbers since.
            ValueError: a cost or metric is not finite, or a state is not proposable.
        """
        checked = trials.checked_proposals(proposals)
        return self._database.write(
            lambda connection: trials.propose(
                connection, lease, checked, sampler_state, waiting=waiting, first=first
            ),
            idempotent=first is not None,
        )

    def dispatch(
        self, lease: Lease, number: int, worker: str | None = None, *, attempt: int | None = None
    ) -> int:
        """Hands an open trial to a worker; returns the attempt, from 1.

        May be called again if it is given the attempt that this is to be: one more than the trial has had.

        Raises:
            TrialStateError: the trial is final, or its next attempt is not `attempt`.
        """
        return self._database.write(
            lambda connection: transitions.dispatch(connection, lease, number, worker, attempt),
            idempotent=attempt is not None,
        )

    def complete(
        self,
        study_id: int,
        number: int,
        metrics: Mapping[str, float],
        *,
        worker: str | None = None,
        seconds: float | None = None,
    ) -> Completion:
        """Stores the result of an open trial; needs no lease, because a finished result is a fact.

        May be called again: an equal result is "repeated", another one of a final trial a "conflict",
        which is logged and changes nothing.

        Raises:
            ValueError: there is no metric, or one is not a finite number.
            UnknownTrialError: the study has no trial of that number.
        """
        if not metrics:
            raise ValueError(f"trial {number} has no metric: report it as failed")
        checked = finite_metrics(metrics)
        return self._database.write(
            lambda connection: transitions.complete(
                connection, study_id, number, checked, worker=worker, seconds=seconds
            ),
            idempotent=True,
        )

    def fail(self, lease: Lease, number: int, *, reason: str, message: str) -> None:
        """Gives an open trial up; raises TrialStateError when its result came after all.

        May be called again: an equal failure changes nothing.
        """
        self._database.write(
            lambda connection: transitions.fail(connection, lease, number, reason=reason, message=message),
            idempotent=True,
        )

    def pause(self, lease: Lease, number: int, metrics: Mapping[str, float], *, reason: str) -> None:
        """Stops a running trial early, with its estimates so far; it can be dispatched again.

        May be called again: an equal pause changes nothing.

        Raises:
            ValueError: there is no estimate, or one is not a finite number.
            TrialStateError: the trial does not run, or is paused otherwise.
        """
        if not metrics:
            raise ValueError(f"trial {number} has no estimate: requeue a trial of which nothing is known")
        checked = finite_metrics(metrics)
        self._database.write(
            lambda connection: transitions.pause(connection, lease, number, checked, reason=reason),
            idempotent=True,
        )

    def requeue(self, lease: Lease, number: int, *, outcome: str) -> None:
        """Takes a running trial back and ends its attempt with the outcome; raises TrialStateError.

        May be called again: one that waits since its last attempt ended so stays as it is.
        """
        self._database.write(
            lambda connection: transitions.requeue(connection, lease, number, outcome=outcome),
            idempotent=True,
        )

    def requeue_open(self, lease: Lease) -> list[TrialRecord]:
        """Takes back all running trials of a driver that died; returns all that wait, by number.

        Paused trials stay paused and are not among them.
        """
        return self._database.write(
            lambda connection: transitions.requeue_open(connection, lease), idempotent=True
        )

    # Recovered sub-networks

    def put_recovery(self, record: RecoveryRecord) -> None:
        """Stores a recovery in the place of an older one of the same sub-network, kind and recipe.

        Raises:
            UnknownStudyError: there is no such study.
            UnknownTrialError: the study has no such trial.
            ValueError: the kind is unknown, or a number is negative or not finite.
        """
        checked = recoveries.checked_recovery(record)
        self._database.write(lambda connection: recoveries.put_recovery(connection, checked), idempotent=True)

    def recovery(self, study_id: int, kind: str, key: str, recipe_sha256: str) -> RecoveryRecord | None:
        """The recovery of a sub-network by a recipe."""
        return self._database.read(
            lambda connection: recoveries.read_recovery(connection, study_id, kind, key, recipe_sha256)
        )

    def recoveries(self, study_id: int) -> list[RecoveryRecord]:
        """All recoveries of a study, oldest first."""
        return self._database.read(lambda connection: recoveries.read_recoveries(connection, study_id))

    # Targets

    def put_target(self, name: str, definition: Mapping[str, Any]) -> TargetRecord:
        """Stores a target in the place of an older one of that name."""
        return self._database.write(
            lambda connection: targets.put_target(connection, name, definition), idempotent=True
        )

    def target(self, name: str) -> TargetRecord:
        """The target of that name; raises UnknownTargetError."""
        return self._database.read(lambda connection: targets.read_target(connection, name))

    def targets(self) -> list[TargetRecord]:
        """All targets by name."""
        return self._database.read(targets.read_targets)

    def delete_target(self, name: str) -> None:
        """Deletes a target; what was measured on it stays; raises UnknownTargetError."""
        self._database.write(lambda connection: targets.delete_target(connection, name))

    def audit(self, study_id: int) -> list[str]:
        """What in the log and the rows of a study contradicts the promises of this class; see `audit`."""
        return audit.contradictions(
            self.trials(study_id),
            self.events(study_id, limit=_ALL),
            lambda number: self.attempts(study_id, number),
        )

    # Events

    def add_event(self, study_id: int | None, kind: str, payload: Mapping[str, Any]) -> int:
        """Appends a line to the log and returns its id; raises UnknownStudyError."""
        return self._database.write(lambda connection: studies.log_event(connection, study_id, kind, payload))

    def events(
        self, study_id: int | None, *, after: int = 0, limit: int = 1000, kind: str | None = None
    ) -> list[EventRecord]:
        """Lines with an id above `after`, oldest first; of all studies, or kinds, where that is None."""
        return self._database.read(
            lambda connection: events.read_events(connection, study_id, after=after, limit=limit, kind=kind)
        )

    def newest_events(
        self, study_id: int, *, limit: int, kinds: Collection[str] | None = None
    ) -> list[EventRecord]:
        """The last lines of a study's log, oldest first; of every kind unless kinds are given."""
        return self._database.read(
            lambda connection: events.read_newest_events(connection, study_id, limit=limit, kinds=kinds)
        )

    def last_event_id(self, study_id: int) -> int:
        """Id of the newest line of a study's log, 0 without one: what was read later is after it."""
        return self._database.read(lambda connection: events.last_event_id(connection, study_id))
