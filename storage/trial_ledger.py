"""The part of the ledger that reads trials."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TypeVar

from . import progress, results, transitions, trial_rows, trials
from .database import Database
from .records import AttemptRecord, Results, TrialRecord, TrialRow, TrialState

PAGE = 2000
"""Trials that are read at once where all are asked for one by one."""


_Told = TypeVar("_Told", TrialRecord, TrialRow)


class TrialLedger:
    """Trials in one database. Each method is one short transaction, or one a page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def trials(self, study_id: int, *, states: Collection[TrialState] | None = None) -> list[TrialRecord]:
        """Trials by number, only those in `states` if given."""
        return self._database.read(lambda connection: trials.read_trials(connection, study_id, states))

    def each_trial(
        self, study_id: int, *, states: Collection[TrialState] | None = None, page: int = PAGE
    ) -> Iterator[TrialRecord]:
        """As `trials`, but read a page at a time: a hundred thousand of them take half a gigabyte."""
        after = -1
        while True:
            read = partial(trials.read_trials, study_id=study_id, states=states, after=after, limit=page)
            records = self._database.read(read)
            yield from records
            if len(records) < page:
                return
            after = records[-1].number

    def each_told(self, study_id: int, *, after: int = -1, page: int = PAGE) -> Iterator[TrialRecord]:
        """Trials that became final later than the one with `told_order` `after`, in that order, by pages."""
        yield from self._each_told(partial(trials.read_told, study_id=study_id), after, page)

    def each_told_row(self, study_id: int, *, after: int = -1, page: int = PAGE) -> Iterator[TrialRow]:
        """As `each_told`, without configurations, parameters and messages."""
        yield from self._each_told(partial(trial_rows.read_told_rows, study_id=study_id), after, page)

    def count_evaluated(self, names: Collection[str]) -> dict[str, int]:
        """Trials that are DONE or PAUSED, of studies by name; a study that is not there is left out."""
        return self._database.read(lambda connection: progress.count_evaluated(connection, names))

    def open_rows(self, study_id: int) -> list[TrialRow]:
        """Trials that are PROPOSED, RUNNING or PAUSED, by number."""
        return self._database.read(lambda connection: trial_rows.read_open_rows(connection, study_id))

    def trials_numbered(self, study_id: int, numbers: Sequence[int]) -> list[TrialRecord]:
        """Trials in the order of the given numbers, read at once; raises UnknownTrialError."""
        return self._database.read(lambda connection: trials.read_numbered(connection, study_id, numbers))

    def trial(self, study_id: int, number: int) -> TrialRecord:
        """One trial; raises UnknownTrialError."""
        return self._database.read(lambda connection: trials.read_trial(connection, study_id, number))

    def trial_by_key(self, study_id: int, key: str) -> TrialRecord | None:
        """The trial of a sub-network, which is no duplicate."""
        return self._database.read(lambda connection: trials.trial_by_key(connection, study_id, key))

    def results(self, study_id: int, names: Sequence[str], *, since: int = 0) -> Results:
        """Metrics, or else costs, of DONE trials as columns, in the order of telling from `since` on.

        With `next_order` of the answer as `since`, the next call reads only what was told in between.
        """
        return self._database.read(
            lambda connection: results.read_results(connection, study_id, names, since=since)
        )

    def attempts(self, study_id: int, number: int) -> list[AttemptRecord]:
        """Attempts at a trial, first to last."""
        return self._database.read(lambda connection: transitions.read_attempts(connection, study_id, number))

    def _each_told(self, read: Callable[..., Sequence[_Told]], after: int, page: int) -> Iterator[_Told]:
        while True:
            records = self._database.read(partial(read, after=after, limit=page))
            yield from records
            if len(records) < page:
                return
            after = records[-1].told_order or 0
