"""A study's sampler at every moment of its log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from nas.search import Proposer, Twin
from nas.study.proposals import FULL_MODEL, make_proposer, twin_of
from nas.study.spec import StudySpec
from search_spaces import Dimension, SearchSpace
from storage import EventKind, EventRecord, TrialRecord, TrialState

_ENDED: Final[dict[str, TrialState]] = {
    EventKind.TRIAL_COMPLETED: TrialState.DONE,
    EventKind.TRIAL_FAILED: TrialState.FAILED,
    EventKind.TRIAL_PAUSED: TrialState.PAUSED,
}


class ReplayedSampler:
    """Hears what the study's sampler heard, in the order of the log, and can be asked as that was.

    The log names the trials that the sampler took for open whenever it was asked. In logs of older versions,
    which do not, they follow from the rules of a session: a paused trial that goes on counts as paused until
    the sampler is made anew from the ledger.
    """

    def __init__(
        self, spec: StudySpec, space: SearchSpace, name: str, records: Mapping[int, TrialRecord]
    ) -> None:
        self._spec, self._space, self._name, self._records = spec, space, name, records
        self._proposer = make_proposer(spec, space, name)
        self._baseline = dict(spec.full_costs)
        self._shown: list[Twin] = []
        self._ended: dict[int, TrialRecord] = {}
        self._open: set[int] = set()
        self._told_paused: set[int] = set()
        self._reopened: set[int] = set()
        self._changed: set[int] = set()
        self._is_outdated = False
        self._is_stale = False

    @property
    def num_trials(self) -> int:
        """Trials so far, and the number of the next."""
        return len(self._shown)

    # What it hears

    def hear(self, event: EventRecord) -> None:
        """Take in a line of the log that is no proposal."""
        if event.kind == EventKind.LEASE_ACQUIRED:
            self._restart()
        elif event.kind == EventKind.TRIAL_DISPATCHED:
            number = event.payload["number"]
            if number in self._told_paused:
                self._reopened.add(number)
        elif event.kind in _ENDED:
            state = _ENDED[event.kind]
            self._end(event.payload["number"], state, event.payload.get("metrics"))

    def catch_up(self, waiting: Collection[int] | None) -> None:
        """Tell the sampler what it had heard when it was asked, with `waiting` taken for open by it."""
        if self._is_outdated:
            self._restart()
        if waiting is not None:
            self._changed |= self._open ^ set(waiting)
            self._open = set(waiting)
        for number in sorted(self._changed):
            self._show(number)
        self._changed.clear()

    def add(self, record: TrialRecord, *, is_open: bool) -> None:
        """Take in a trial that it was not asked for."""
        twin = self._twin(record, is_open=is_open)
        self._fresh().add(twin)
        self._note(record, twin)

    # What it is asked

    def ask(self) -> tuple[dict[str, int], dict[str, Any]]:
        """Parameters and attributes of the next trial, to be followed by `settle`."""
        return self._fresh().ask()

    def settle(self, record: TrialRecord, *, is_open: bool, is_equal: bool) -> None:
        """Put what was recorded in the place of what was asked for."""
        twin = self._twin(record, is_open=is_open)
        if not is_equal:
            self._is_stale = True
        elif not is_open:
            self._proposer.tell(record.number, twin)
        self._note(record, twin)

    def seed_attributes(self) -> dict[str, Any]:
        """What a trial that it is not asked for is noted with."""
        return self._fresh().seed_attributes()

    def _twin(self, record: TrialRecord, *, is_open: bool) -> Twin:
        """As the sampler can be shown it: parameters that the space does not hold are left out."""
        dimensions = self._space.dimensions
        is_point = record.parameters.keys() == {d.name for d in dimensions} and all(
            _holds(dimension, record.parameters[dimension.name]) for dimension in dimensions
        )
        kept = record if is_point else replace(record, parameters={})
        return twin_of(self._spec, kept, self._baseline, is_open=is_open)

    def _note(self, record: TrialRecord, twin: Twin) -> None:
        self._shown.append(twin)
        if twin.is_open:
            self._open.add(record.number)
        else:
            self._ended[record.number] = record

    def _end(self, number: int, state: TrialState, metrics: Mapping[str, float] | None) -> None:
        record = replace(
            self._records[number], state=state, metrics=None if metrics is None else dict(metrics)
        )
        self._is_outdated |= number in self._told_paused
        self._ended[number] = record
        self._open.discard(number)
        self._reopened.discard(number)
        self._changed.add(number)
        if state is TrialState.PAUSED:
            self._told_paused.add(number)
        if record.origin == FULL_MODEL and metrics is not None:
            self._baseline = {**record.costs, **metrics}
            self._changed.update(self._ended)

    def _restart(self) -> None:
        """As a sampler that is made anew from the ledger: what goes on is open."""
        self._is_outdated = False
        self._open |= self._reopened
        self._changed |= self._reopened
        self._told_paused -= self._reopened
        self._reopened.clear()

    def _show(self, number: int) -> None:
        """Let the sampler see a trial as it stands; one that it saw ended otherwise can't be taken back."""
        is_open = number in self._open
        record = self._records[number] if is_open else self._ended[number]
        twin, shown = self._twin(record, is_open=is_open), self._shown[number]
        if twin == shown:
            return
        self._shown[number] = twin
        if shown.is_open and not self._is_stale:
            self._proposer.tell(number, twin)
        else:
            self._is_stale = True

    def _fresh(self) -> Proposer:
        """The sampler, made anew from what it should have seen where it has seen something else."""
        if self._is_stale:
            notes = self._proposer.state()
            self._proposer = make_proposer(self._spec, self._space, self._name)
            for twin in self._shown:
                self._proposer.add(twin)
            self._proposer.restore(notes)
            self._is_stale = False
        return self._proposer


def _holds(dimension: Dimension, value: object) -> bool:
    low, high, step = dimension.bounds
    return isinstance(value, int) and low <= value <= high and (value - low) % step == 0
