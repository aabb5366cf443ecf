"""Everything that a report is made of, read from the database once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from nas.objectives import Objective
from nas.study.history import baseline_metrics, front_of, trial_of
from nas.study.spec import StudySpec
from nas.study.trial import Trial
from storage import EventRecord, Ledger, StudyRecord, TrialRecord

if TYPE_CHECKING:
    from nas.study.recovery import Recovery
    from nas.study.stored_study import StoredStudy

_ALL: Final = 1_000_000
#: States of trials that forward passes were spent on, with results or estimates to show for it.
_EVALUATED: Final = ("DONE", "PAUSED")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A study as one read of its database shows it.

    Attributes:
        ledger: for what only one section needs.
        records: of all trials, by number.
        trials: the same trials as users see them.
        full: metrics of the full model as far as they are known.
    """

    study: StoredStudy
    ledger: Ledger
    record: StudyRecord
    records: Sequence[TrialRecord]
    trials: Sequence[Trial]
    full: Mapping[str, float]

    @staticmethod
    def of(study: StoredStudy, ledger: Ledger) -> Reading:
        """Read a study."""
        record = ledger.study(study.name)
        records = ledger.trials(record.id)
        full = baseline_metrics(study.spec, records)
        trials = [trial_of(study, study.spec, one, full) for one in records]
        return Reading(study=study, ledger=ledger, record=record, records=records, trials=trials, full=full)

    @property
    def name(self) -> str:
        """Of the study."""
        return self.study.name

    @property
    def spec(self) -> StudySpec:
        """What the study is defined by."""
        return self.study.spec

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is searched for."""
        return self.spec.objectives

    @cached_property
    def done(self) -> list[Trial]:
        """Trials with a result of their own and all objectives measured."""
        return [t for t in self.trials if t.state.value == "DONE" and t.values is not None]

    @cached_property
    def front(self) -> list[Trial]:
        """The Pareto front, the best in the first objective first."""
        return front_of(self.done, self.objectives)

    @cached_property
    def baselines(self) -> list[Trial]:
        """Evaluated sub-networks that were no search's idea, the full model among them."""
        return [t for t in self.done if t.origin.startswith("baseline:")]

    @cached_property
    def recoveries(self) -> list[Recovery]:
        """Recovered sub-networks and their baselines, oldest first."""
        return self.study.recoveries

    @cached_property
    def evaluator(self) -> Mapping[str, Any]:
        """What quality was measured with; empty before the first run."""
        events = self.events("evaluator")
        return events[-1].payload if events else {}

    @cached_property
    def full_examples(self) -> int:
        """Examples of a full evaluation; 1 where the evaluator counts none, 0 before the first run."""
        return int(self.evaluator.get("examples", 0))

    @property
    def is_staged(self) -> bool:
        """Whether sub-networks were evaluated in stages, so that some cost less than others."""
        return any("evaluated_examples" in trial.metrics for trial in self.trials)

    def examples(self, trial: Trial) -> float:
        """Forward examples that were spent on a trial; 0 of one that was never evaluated."""
        if trial.state.value not in _EVALUATED:
            return 0.0
        return trial.metrics.get("evaluated_examples", float(self.full_examples))

    @cached_property
    def in_order(self) -> list[Trial]:
        """Evaluated trials in the order in which they ended or were paused for the last time."""
        paused = {event.payload["number"]: event.at for event in self.events("trial_paused")}
        ends = {one.number: one.ended_at or paused.get(one.number, one.created_at) for one in self.records}
        evaluated = [trial for trial in self.trials if trial.state.value in _EVALUATED]
        return sorted(evaluated, key=lambda trial: (ends[trial.number], trial.number))

    def events(self, kind: str) -> list[EventRecord]:
        """Lines of the study's log, oldest first."""
        return self.ledger.events(self.record.id, limit=_ALL, kind=kind)
