"""A study's columns behind a lock, what was computed of them, and its trials."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import numpy as np

from nas.objectives import Constraint, Objective
from nas.service.views.columns import objective_values
from nas.service.views.live import LiveStudy
from nas.service.views.trial_cache import TrialCache
from nas.study.history import reference_point
from nas.study.ledger_errors import translated
from nas.study.selection import Rows
from nas.study.spec import StudySpec
from nas.study.trial import Trial
from storage import Ledger, StudyStatus, TrialRecord

_Result = TypeVar("_Result")

#: Answers that are kept until the study changes.
_REMEMBERED: Final = 64


class LiveView:
    """What a study is and holds; threads may share it.

    Attributes:
        spec: what the study is defined by.
    """

    def __init__(self, ledger: Ledger, status: StudyStatus) -> None:
        self._ledger, self._status = ledger, status
        with translated():
            self.spec = StudySpec.from_json(ledger.study(status.name).spec)
        self._live = LiveStudy(ledger, status.id, self.spec)
        self._trials = TrialCache(ledger, status.name, status.id, self.spec)
        self._lock = threading.RLock()
        self._memory: dict[Hashable, Any] = {}

    def refresh(self, status: StudyStatus) -> None:
        """Take in what is new in the ledger; of threads that wait for the same news, one reads it for all."""
        with self._lock, translated():
            if status.last_event >= self._status.last_event:
                self._status = status
            if status.last_event > self._live.last_event and self._live.refresh():
                self._memory.clear()

    @property
    def status(self) -> StudyStatus:
        """How the study stood when it was asked for last."""
        return self._status

    @property
    def last_event(self) -> int:
        """Id of the newest event that the view knows of."""
        return self._live.last_event

    @property
    def num_told(self) -> int:
        """Trials that are final."""
        return self._live.num_told

    @property
    def metrics(self) -> list[str]:
        """Metrics and costs that any trial has, in alphabetical order."""
        with self._lock:
            return self._live.columns.names

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is searched for."""
        return self.spec.objectives

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """Budgets of the study."""
        return self.spec.constraints

    @property
    def baseline(self) -> Mapping[str, float]:
        """Metrics of the full model as far as they are known."""
        return self._live.baseline

    def has(self, number: int) -> bool:
        """Whether there is a trial of that number."""
        with self._lock:
            known = self._live.columns.in_state()
            return 0 <= number < len(known) and bool(known[number])

    def trial(self, number: int) -> Trial:
        """One trial that there is."""
        return self._trials.trials([number], self.baseline)[0]

    def trials(self, numbers: Sequence[int]) -> list[Trial]:
        """Trials that there are, in the order of the numbers."""
        return self._trials.trials(numbers, self.baseline)

    @property
    def hypervolume(self) -> float | None:
        """Share of the box between reference and ideal; None until the full model was measured."""
        return self._live.course.hypervolume

    @property
    def reference_point(self) -> Mapping[str, float] | None:
        """Where the box of the hypervolume starts, by objective; None until the full model was measured."""
        corner = reference_point(self.objectives, self.baseline)
        if corner is None:
            return None
        return {one.metric: one.minimised(c) for one, c in zip(self.objectives, corner, strict=True)}

    def values(self, numbers: Rows) -> Mapping[int, Sequence[float]]:
        """Objectives of some trials by number."""
        with self._lock:
            signs = np.array([objective.minimised(1.0) for objective in self.objectives])
            found = objective_values(self._live.columns, self.objectives, numbers) * signs
        return dict(zip(numbers.tolist(), found.tolist(), strict=True))

    def done(self) -> Rows:
        """Numbers of the trials that were evaluated to the end."""
        return self._remembered("done", lambda: self._live.done)

    def records(self, numbers: Sequence[int]) -> list[TrialRecord]:
        """Trials as they are stored, by number."""
        return self._trials.records(numbers)

    def _remembered(self, key: Hashable, compute: Callable[[], _Result]) -> _Result:
        """What was computed since the study changed last; callers do not change it."""
        with self._lock:
            if key not in self._memory:
                self._remember(key, compute())
            return cast("_Result", self._memory[key])

    def _remembered_unlocked(self, key: Hashable, compute: Callable[[], _Result]) -> _Result:
        """As `_remembered`, of what takes a read of the ledger, during which others may go on."""
        with self._lock:
            if key in self._memory:
                return cast("_Result", self._memory[key])
            version = self._live.version
        found = compute()
        with self._lock:
            if self._live.version == version:
                self._remember(key, found)
        return found

    def _remember(self, key: Hashable, found: object) -> None:
        if len(self._memory) >= _REMEMBERED:
            self._memory.pop(next(iter(self._memory)))
        self._memory[key] = found
