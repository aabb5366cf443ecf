"""Whole trials by number: read from the ledger only where they may have changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from nas.study.architecture import short_sizes
from nas.study.history import trial_of
from nas.study.ledger_errors import translated
from nas.study.spec import StudySpec
from nas.study.stored_study import StoredStudy
from nas.study.trial import Trial
from search_spaces import SubnetConfig
from storage import Ledger, TrialRecord

CAPACITY: Final = 1024


class TrialCache:
    """The final trials of a study that were asked for last; threads may share it.

    Sizes in short are kept of every trial that was asked for, as no trial's ever change.
    """

    def __init__(self, ledger: Ledger, name: str, study_id: int, spec: StudySpec) -> None:
        self._ledger, self._study_id, self._spec = ledger, study_id, spec
        self._study = StoredStudy(ledger, name, spec)
        self._lock = threading.Lock()
        self._trials: OrderedDict[int, Trial] = OrderedDict()
        self._judged_by: Mapping[str, float] = {}
        self._architectures: dict[int, str] = {}

    @property
    def study(self) -> StoredStudy:
        """The study that the trials belong to."""
        return self._study

    def trials(self, numbers: Sequence[int], baseline: Mapping[str, float]) -> list[Trial]:
        """Trials of some numbers, in their order.

        Args:
            numbers: of trials that exist.
            baseline: metrics of the full model, which budgets may refer to.
        """
        with self._lock:
            if self._judged_by != baseline:
                self._trials.clear()
                self._judged_by = dict(baseline)
            found = {n: trial for n in numbers if (trial := self._trials.get(n)) is not None}
        missing = [number for number in dict.fromkeys(numbers) if number not in found]
        for record in self.records(missing):
            found[record.number] = trial_of(self._study, self._spec, record, baseline)
        self._keep(found, baseline)
        return [found[number] for number in numbers]

    def records(self, numbers: Sequence[int]) -> list[TrialRecord]:
        """As stored, by number."""
        if not numbers:
            return []
        with translated():
            return self._ledger.trials_numbered(self._study_id, numbers)

    def architectures(self, numbers: Sequence[int]) -> list[str]:
        """Sizes in short of some trials."""
        missing = [number for number in numbers if number not in self._architectures]
        for record in self.records(missing):
            sizes = short_sizes(self._spec.shape, SubnetConfig.from_json(record.config))
            self._architectures[record.number] = str(sizes)
        return [self._architectures[number] for number in numbers]

    def _keep(self, found: Mapping[int, Trial], baseline: Mapping[str, float]) -> None:
        with self._lock:
            if self._judged_by != baseline:
                return
            for number, trial in found.items():
                if trial.state.is_final:
                    self._trials[number] = trial
                    self._trials.move_to_end(number)
            while len(self._trials) > CAPACITY:
                self._trials.popitem(last=False)
