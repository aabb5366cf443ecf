"""Trials that were stopped early, and which of them to continue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from nas.evaluation import Quality
from nas.racing import Race, Verdict
from nas.study.latency_floors import LatencyFloors
from nas.study.qualities import EVALUATED_EXAMPLES, Qualities
from search_spaces import SubnetConfig
from storage import TrialRecord, TrialState


@dataclass(frozen=True, kw_only=True, slots=True)
class _Paused:
    record: TrialRecord
    config: SubnetConfig
    verdict: Verdict


class PausedTrials:
    """Paused trials of a study that may still be on the front, with what their race knows of them.

    The front only ever gets better, so that a trial which it rules out once is forgotten here.
    """

    def __init__(self, race: Race, floors: LatencyFloors | None) -> None:
        self._race, self._floors = race, floors
        self._hopeful: dict[int, _Paused] = {}

    def add(self, record: TrialRecord, config: SubnetConfig, verdict: Verdict) -> None:
        """Remember a trial."""
        self._hopeful[record.number] = _Paused(record=record, config=config, verdict=verdict)

    def restore(self, trials: Iterable[TrialRecord], qualities: Qualities) -> None:
        """Judge the paused trials of earlier runs again, by what is stored of them."""
        for trial in trials:
            if trial.state is not TrialState.PAUSED:
                continue
            config = SubnetConfig.from_json(trial.config)
            quality = qualities.stored(config)
            if quality is not None and quality.outcome is not None:
                known = known_costs(trial, config, self._floors)
                self.add(trial, config, self._race.judge(quality.outcome, known))

    @property
    def has_hopeful(self) -> bool:
        """Whether any may still be on the front."""
        self._forget_hopeless()
        return bool(self._hopeful)

    def most_promising(self) -> TrialRecord | None:
        """Take out the trial that may lie furthest before the front, if any may lie there at all."""
        self._forget_hopeless()
        while self._hopeful:
            number = max(self._hopeful, key=lambda n: (self._race.promise(self._hopeful[n].verdict), -n))
            paused = self._hopeful.pop(number)
            known = known_costs(paused.record, paused.config, self._floors)  # latencies are known better now
            if self._race.is_hopeful(replace(paused.verdict, known=known)):
                return paused.record
        return None

    def _forget_hopeless(self) -> None:
        self._hopeful = {
            number: paused
            for number, paused in self._hopeful.items()
            if self._race.is_hopeful(paused.verdict)
        }


def known_costs(
    record: TrialRecord, config: SubnetConfig, floors: LatencyFloors | None
) -> Mapping[str, float]:
    """Exact costs of a trial, and lower bounds of its latency where there are any."""
    return record.costs if floors is None else {**record.costs, **floors.lower(config)}


def likely_costs(
    record: TrialRecord, config: SubnetConfig, floors: LatencyFloors | None
) -> Mapping[str, float]:
    """Exact costs of a trial, and its latency as it is predicted."""
    return record.costs if floors is None else {**record.costs, **floors.likely(config)}


def paused_metrics(
    verdict: Verdict, quality: Quality, config: SubnetConfig, floors: LatencyFloors | None
) -> dict[str, float]:
    """What is known of a trial that is paused: estimates for all the data, and predicted latencies."""
    predicted = {} if floors is None else floors.predicted(config)
    spent = {EVALUATED_EXAMPLES: float(quality.examples)}
    return {**quality.metrics, **verdict.metrics, **predicted, **spent}
