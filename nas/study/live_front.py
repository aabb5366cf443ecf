"""The front of a study that grows: what was read once is not read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nas.pareto import TieFront
from nas.study.history import bounds_of, minimised, trial_of, uncertain_objective
from nas.study.spec import StudySpec
from nas.study.trial import Trial
from storage import Ledger, TrialRecord, TrialState

if TYPE_CHECKING:
    from nas.study.stored_study import StoredStudy


class LiveFront:
    """Keeps the front of what has ended, and reads only what ended since it was last asked.

    A final trial never changes, so that reading in the order of telling misses nothing. What was read counts
    anew when the full model becomes known, as budgets may refer to it.
    """

    def __init__(self, study: StoredStudy) -> None:
        self._study = study
        self._read_for: tuple[int, Mapping[str, float]] | None = None
        self._forget()

    def trials(self, ledger: Ledger, study_id: int) -> list[Trial]:
        """The trials on the front, the best in the first objective first."""
        baseline = self._study.baseline
        if self._read_for != (study_id, baseline):
            self._forget()
            self._read_for = (study_id, baseline)
        for record in ledger.each_told(study_id, after=self._last_told):
            self._take(record, baseline)
        objectives = self._study.objectives
        front = [self._members[number] for number in self._front.ids]
        return sorted(front, key=lambda trial: minimised(trial.values or (), objectives))

    def _forget(self) -> None:
        spec: StudySpec = self._study.spec
        self._uncertain = uncertain_objective(spec.objectives)
        self._front: TieFront[int] = TieFront(len(spec.objectives), uncertain=self._uncertain)
        self._members: dict[int, Trial] = {}
        self._last_told = -1

    def _take(self, record: TrialRecord, baseline: Mapping[str, float]) -> None:
        assert record.told_order is not None
        self._last_told = record.told_order
        if record.state is not TrialState.DONE:
            return
        trial = trial_of(self._study, self._study.spec, record, baseline)
        if not trial.is_feasible:
            return
        self._front.add(bounds_of(trial, self._study.objectives, self._uncertain), trial.number)
        if self._front.keeps(trial.number):
            self._members[trial.number] = trial
            if len(self._members) > 2 * self._front.num_kept + 16:
                self._members = {n: t for n, t in self._members.items() if self._front.keeps(n)}
