"""Recomputing a study's proposals from its log: what was asked for, asked for again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from nas.errors import StorageError
from nas.progress import Progress, no_progress
from nas.search import Seed
from nas.study.proposals import RANDOM, drawn_at_random, encoded, standing
from nas.study.replayed_design import reason_not_recomputed, recomputed_design
from nas.study.replayed_sampler import ReplayedSampler
from nas.study.spec import StudySpec
from search_spaces import SearchSpace, SubnetConfig, restore_space
from storage import EventKind, EventRecord, Ledger, Proposal, TrialRecord, TrialState

SAMPLER: Final = "sampler"
#: Lines of the log that are read at once.
_PAGE: Final = 2000
#: What is compared of a proposal, the cause before what follows from it.
_COMPARED: Final = (
    "origin",
    "parameters",
    "key",
    "config",
    "sampler_attributes",
    "costs",
    "state",
    "reused_from",
    "reason",
)


class Verdict(StrEnum):
    """What became of one proposal in a replay."""

    EQUAL = "equal"
    DIFFERS = "differs"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayedTrial:
    """A trial's proposal beside what is computed for it now.

    Attributes:
        field: the first part that differs, with what was given and what was recomputed.
        reason: why it was not recomputed.
    """

    number: int
    origin: str
    verdict: Verdict
    field: str | None = None
    given: Any = None
    recomputed: Any = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayReport:
    """Every proposal of a study that was looked at, by number.

    Attributes:
        num_trials: trials that the study has.
    """

    study: str
    num_trials: int
    trials: tuple[ReplayedTrial, ...]

    def count(self, verdict: Verdict) -> int:
        """Trials of a verdict."""
        return sum(trial.verdict is verdict for trial in self.trials)

    @property
    def first_difference(self) -> ReplayedTrial | None:
        """The earliest trial that differs."""
        return next((trial for trial in self.trials if trial.verdict is Verdict.DIFFERS), None)

    @property
    def is_equal(self) -> bool:
        """Whether everything that can be recomputed is what the study has."""
        return self.first_difference is None


def replay_study(
    ledger: Ledger,
    name: str,
    spec: StudySpec,
    *,
    stop_early: bool = False,
    progress: Progress = no_progress,
) -> ReplayReport:
    """Ask the study's sampler again for every proposal, each time told what it had been told then.

    Nothing is evaluated or measured, and nothing is written: results come from the log.

    Args:
        ledger: that holds the study.
        name: of the study.
        spec: of the study.
        stop_early: end after the first proposal that differs.
        progress: told the trials done.

    Raises:
        StorageError: the log names a trial that is not stored.
    """
    study_id = ledger.study(name).id
    records = {trial.number: trial for trial in ledger.trials(study_id)}
    again = _Replay(spec, restore_space(spec.space, spec.shape), name, records)
    replayed: list[ReplayedTrial] = []
    for event in _log(ledger, study_id):
        if event.kind != EventKind.TRIALS_PROPOSED:
            again.sampler.hear(event)
            continue
        for trial in again.batch(event):
            replayed.append(trial)
            progress(len(replayed), len(records))
            if stop_early and trial.verdict is Verdict.DIFFERS:
                return ReplayReport(study=name, num_trials=len(records), trials=tuple(replayed))
    return ReplayReport(study=name, num_trials=len(records), trials=tuple(replayed))


class _Replay:
    """Walks through the batches of a study."""

    def __init__(
        self, spec: StudySpec, space: SearchSpace, name: str, records: Mapping[int, TrialRecord]
    ) -> None:
        self._spec, self._space, self._records = spec, space, records
        self.sampler = ReplayedSampler(spec, space, name, records)
        self._known: dict[str, int] = {}

    def batch(self, event: EventRecord) -> Iterator[ReplayedTrial]:
        """The proposals that were stored at once, in their order."""
        records = self._proposed(event)
        asked = [record for record in records if record.origin == SAMPLER]
        drawn = [record for record in records if record.origin == RANDOM]
        given = [record for record in records if record.origin not in (SAMPLER, RANDOM)]
        if asked or drawn:
            self.sampler.catch_up(event.payload.get("waiting"))
        for record in asked:
            yield self._asked(record)
        if drawn:
            yield from self._compared(drawn, self._drawn(len(drawn)))
        if given:
            yield from self._given(given)

    def _proposed(self, event: EventRecord) -> list[TrialRecord]:
        final = {number for number, _ in event.payload["final"]}
        missing = [number for number in event.payload["numbers"] if number not in self._records]
        if missing:
            raise StorageError(f"the log proposes trial {missing[0]}, which is not stored; restore a backup")
        records = [self._records[number] for number in event.payload["numbers"]]
        return [record if record.number in final else _as_proposed(record) for record in records]

    def _asked(self, record: TrialRecord) -> ReplayedTrial:
        parameters, attributes = self.sampler.ask()
        config = self._space.decode(self._space.repaired(parameters))
        again = self._proposal(config, parameters, attributes, SAMPLER)
        trial = _comparison(record, again)
        is_same = trial.field not in ("parameters", "sampler_attributes")
        self.sampler.settle(record, is_open=not record.state.is_final, is_equal=is_same)
        self._learn(record)
        return trial

    def _drawn(self, count: int) -> list[Seed]:
        configs = drawn_at_random(
            self._spec,
            self._space,
            count,
            number=self.sampler.num_trials,
            is_known=self._known.__contains__,
        )
        return [Seed(config=config, origin=RANDOM) for config in configs]

    def _given(self, records: Sequence[TrialRecord]) -> Iterator[ReplayedTrial]:
        """Seeds; those that can't be computed from what is stored are skipped."""
        reasons = {r.number: reason_not_recomputed(r.origin, self._space) for r in records}
        checked = [record for record in records if reasons[record.number] is None]
        skipped = {record.key for record in records if reasons[record.number] is not None}
        design = recomputed_design(self._spec, self._space) if checked else []
        expected = [seed for seed in design if seed.config.key not in skipped]
        compared = {trial.number: trial for trial in self._compared(checked, expected, is_added=False)}
        for record in records:
            self._add(record)
            yield compared.get(record.number) or ReplayedTrial(
                number=record.number,
                origin=record.origin,
                verdict=Verdict.SKIPPED,
                reason=reasons[record.number],
            )

    def _compared(
        self, records: Sequence[TrialRecord], seeds: Sequence[Seed], *, is_added: bool = True
    ) -> Iterator[ReplayedTrial]:
        """Trials that no sampler chose beside those that should be there."""
        attributes = self.sampler.seed_attributes()
        for index, record in enumerate(records):
            if index < len(seeds):
                config, origin = seeds[index].config, seeds[index].origin
                again = self._proposal(config, encoded(self._space, config), attributes, origin)
                yield _comparison(record, again)
            else:
                yield _difference(record, "key", record.key, None)
            if is_added:
                self._add(record)

    def _add(self, record: TrialRecord) -> None:
        self.sampler.add(record, is_open=not record.state.is_final)
        self._learn(record)

    def _learn(self, record: TrialRecord) -> None:
        if record.state is not TrialState.DUPLICATE:
            self._known[record.key] = record.number

    def _proposal(
        self, config: SubnetConfig, parameters: Mapping[str, int], attributes: Mapping[str, Any], origin: str
    ) -> Proposal:
        costs = self._spec.costs(config)
        reused_from = self._known.get(config.key)
        state, reason = standing(self._spec, costs, origin, is_repeated=reused_from is not None)
        return Proposal(
            key=config.key,
            config=config.to_json(),
            parameters=parameters,
            sampler_attributes=attributes,
            costs=costs,
            origin=origin,
            state=state,
            reused_from=reused_from,
            reason=reason,
        )


def _log(ledger: Ledger, study_id: int) -> Iterable[EventRecord]:
    """The lines of a study, oldest first, a page at a time."""
    last = 0
    while page := ledger.events(study_id, after=last, limit=_PAGE):
        yield from page
        last = page[-1].id


def _as_proposed(record: TrialRecord) -> TrialRecord:
    """A trial that waits for its evaluation."""
    return replace(record, state=TrialState.PROPOSED, metrics=None, reason=None)


def _comparison(record: TrialRecord, again: Proposal) -> ReplayedTrial:
    for field in _COMPARED:
        given, recomputed = _plain(getattr(record, field)), _plain(getattr(again, field))
        if given != recomputed:
            return _difference(record, field, given, recomputed)
    return ReplayedTrial(number=record.number, origin=record.origin, verdict=Verdict.EQUAL)


def _difference(record: TrialRecord, field: str, given: Any, recomputed: Any) -> ReplayedTrial:
    return ReplayedTrial(
        number=record.number,
        origin=record.origin,
        verdict=Verdict.DIFFERS,
        field=field,
        given=given,
        recomputed=recomputed,
    )


def _plain(value: Any) -> Any:
    """As it comes back from the database."""
    return json.loads(json.dumps(dict(value) if isinstance(value, Mapping) else value))
