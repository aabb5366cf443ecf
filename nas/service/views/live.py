"""What a study's ledger tells, read once: later reads ask for what is new."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from nas.service.views.columns import TrialColumns, feasible_rows, objective_bounds, objective_values
from nas.study.course import Course, Evaluated
from nas.study.history import baseline_metrics
from nas.study.selection import Rows
from nas.study.spec import StudySpec
from storage import EventRecord, Ledger, TrialState

#: Events that are read at once.
_EVENTS: Final = 1000
#: Above so many changed open trials all of them are read.
_MOST_BY_NUMBER: Final = 200
_FULL_MODEL: Final = "baseline:full"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """A trial that enlarged the hypervolume.

    Attributes:
        told: trials that had become final by then, itself among them.
        at: when it became final, in seconds since 1970.
        value: hypervolume from then on.
    """

    number: int
    told: int
    at: float
    value: float


class LiveStudy:
    """Columns, front and hypervolume of a study; one thread at a time may use it.

    Attributes:
        columns: all trials, by number.
        course: of the evaluated trials within the study's budgets.
        gains: trials that enlarged its hypervolume.
        baseline: metrics of the full model as far as they are known.
        version: another one once anything has changed.
        last_event: id of the newest event of the study that was heeded.
    """

    def __init__(self, ledger: Ledger, study_id: int, spec: StudySpec) -> None:
        self._ledger, self._study_id, self._spec = ledger, study_id, spec
        self.columns = TrialColumns()
        self.baseline = baseline_metrics(spec, [])
        self.course = Course(spec.objectives, self.baseline)
        self.gains: list[Gain] = []
        self.version = 0
        self.last_event = -1
        self._told: list[int] = []

    @property
    def num_told(self) -> int:
        """Trials that are final."""
        return len(self._told)

    @property
    def done(self) -> Rows:
        """Numbers of the trials that were evaluated to the end, all objectives measured."""
        rows = np.flatnonzero(self.columns.in_state(TrialState.DONE))
        values = objective_values(self.columns, self._spec.objectives, rows)
        return rows[~np.isnan(values).any(axis=1)]

    def refresh(self) -> bool:
        """Take in what is new; whether anything is. One cheap query tells that nothing is."""
        if self.last_event < 0:
            newest = self._ledger.last_event_id(self._study_id)
            self._read_told()
            self.columns.put(self._ledger.open_rows(self._study_id))
        else:
            events = self._new_events()
            if not events:
                return False
            newest = events[-1].id
            self.version += 1  # first, should a read below fail
            self._read_told()
            self._read_open(_changed(events))
        self.last_event = newest
        return True

    def feasible(self, rows: Rows) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Mask of the rows that break none of the study's budgets."""
        return feasible_rows(self.columns, rows, self._spec.constraints, self.baseline)

    def _new_events(self) -> list[EventRecord]:
        found: list[EventRecord] = []
        after = self.last_event
        while True:
            page = self._ledger.events(self._study_id, after=after, limit=_EVENTS)
            found += page
            if len(page) < _EVENTS:
                return found
            after = page[-1].id

    def _read_told(self) -> None:
        rows = list(self._ledger.each_told_row(self._study_id, after=self.num_told - 1))
        self.columns.put(rows)
        first = self.num_told
        self._told += [row.number for row in rows]
        if any(row.origin == _FULL_MODEL and row.metrics is not None for row in rows):
            self.baseline = baseline_metrics(self._spec, rows)
            self.course = Course(self._spec.objectives, self.baseline)
            self.gains = []
            first = 0  # budgets and the reference may refer to the full model
        self._judge(first)

    def _read_open(self, changed: Collection[int]) -> None:
        still_open = [number for number in changed if not self.columns.is_final(number)]
        if len(still_open) > _MOST_BY_NUMBER:
            self.columns.put(self._ledger.open_rows(self._study_id))
        elif still_open:
            records = self._ledger.trials_numbered(self._study_id, sorted(still_open))
            # One that has ended since is taken in when it is read in its turn.
            self.columns.put([record for record in records if not record.state.is_final])

    def _judge(self, first: int) -> None:
        """Let trials count for the front, from the one that was told as the `first`."""
        numbers = np.array(self._told[first:], dtype=np.intp)
        told = np.arange(first + 1, self.num_told + 1, dtype=np.intp)
        if not numbers.size:
            return
        values = objective_values(self.columns, self._spec.objectives, numbers)
        counts = self.columns.in_state(TrialState.DONE)[numbers] & ~np.isnan(values).any(axis=1)
        counts &= self.feasible(numbers)
        numbers, told, values = numbers[counts], told[counts], values[counts]
        bounds = objective_bounds(self.columns, self._spec.objectives, numbers, values)
        for one in self.course.add_all(Evaluated(numbers=numbers, values=values, bounds=bounds)):
            number = int(numbers[one.row])
            at, value = float(self.columns.ended[number]), one.hypervolume
            self.gains.append(Gain(number=number, told=int(told[one.row]), at=at, value=value))


def _changed(events: Iterable[EventRecord]) -> set[int]:
    """Numbers of the trials that events are about."""
    found: set[int] = set()
    for event in events:
        number, numbers = event.payload.get("number"), event.payload.get("numbers")
        if isinstance(number, int):
            found.add(number)
        if isinstance(numbers, list):
            found.update(one for one in numbers if isinstance(one, int))
    return found
