"""The quality lane as the driver sees it: what is known of a sub-network, and what to ask for next."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from nas.errors import ConfigError
from nas.evaluation import Evaluator, Outcome, Quality
from nas.racing import Race, Racing
from nas.study.spec import StudySpec
from search_spaces import SubnetConfig
from storage import Ledger, QualityRecord, TrialRecord, TrialState
from workers import Task

#: Metric that says how many examples were spent on a trial of a staged search.
EVALUATED_EXAMPLES: Final = "evaluated_examples"


class Qualities:
    """Qualities of a study's sub-networks.

    Attributes:
        timeout_s: of one evaluation; set once the full model's is known.
        race: decides who goes on; None where all are evaluated in full.
    """

    def __init__(self, ledger: Ledger, supernet_sha256: str, evaluator: Evaluator) -> None:
        self._ledger, self._supernet_sha256, self._evaluator = ledger, supernet_sha256, evaluator
        self.timeout_s: float | None = None
        self.race: Race | None = None

    def start_race(self, racing: Racing, spec: StudySpec, baseline: Mapping[str, float]) -> Race:
        """Judge candidates from now on."""
        self.race = Race(
            racing,
            spec.objectives,
            spec.constraints,
            baseline=baseline,
            num_examples=self._evaluator.num_examples,
        )
        return self.race

    def enter_known(self, trials: list[TrialRecord]) -> None:
        """Let the race know of the trials of earlier runs that were evaluated in full."""
        assert self.race is not None
        by_number = {trial.number: trial for trial in trials if trial.state is TrialState.DONE}
        for number, trial in by_number.items():
            self.race.enter(number, {**trial.costs, **(trial.metrics or {})}, None)
        for number in self.race.unknown:
            record = self.known(SubnetConfig.from_json(by_number[number].config))
            outcome = None if record is None else self.as_quality(record).outcome
            if outcome is not None:
                self.race.recall(number, outcome)

    def known(self, config: SubnetConfig) -> QualityRecord | None:
        """The full evaluation of a sub-network, of whichever study."""
        return self._ledger.quality(
            self._supernet_sha256, config.key, self._evaluator.sha256, self._evaluator.num_examples
        )

    def stored(self, config: SubnetConfig) -> Quality | None:
        """The longest stored evaluation of a sub-network: all of it, or a part that can be gone on from."""
        records = self._ledger.quality_stages(self._supernet_sha256, config.key, self._evaluator.sha256)
        for record in reversed(records):
            quality = self.as_quality(record)
            if quality.outcome is not None or record.stage >= self._evaluator.num_examples:
                return quality
        return None

    @staticmethod
    def as_quality(record: QualityRecord) -> Quality:
        """A stored evaluation, without its examples where another version stored them."""
        outcome = None
        if record.per_example is not None:
            with suppress(ConfigError):
                outcome = Outcome.from_bytes(record.per_example)
        return Quality(metrics=record.metrics, examples=record.stage, seconds=record.seconds, outcome=outcome)

    def task(self, number: int, config: SubnetConfig, seen: int, *, whole: bool) -> Task:
        """The next part of an evaluation after `seen` examples, or all that is left."""
        payload = config.to_json()
        if self._evaluator.is_staged and self.race is not None:
            stop = self._evaluator.num_examples
            if not whole:
                stop = next(stage for stage in self.race.stages if stage > seen)
            payload["examples"] = [seen, stop]
        return Task(number=number, payload=payload, lane="quality", timeout_s=self.timeout_s)

    def joined(self, earlier: Quality | None, part: Quality) -> Quality:
        """A part together with all before it."""
        return part if earlier is None else self._evaluator.merged([earlier, part])

    def is_whole(self, quality: Quality) -> bool:
        """Whether all examples were evaluated."""
        return self.race is None or quality.examples >= self._evaluator.num_examples

    def keep(self, config: SubnetConfig, quality: Quality) -> None:
        """Store what is known of a sub-network."""
        self._ledger.put_quality(
            QualityRecord(
                supernet_sha256=self._supernet_sha256,
                key=config.key,
                data_sha256=self._evaluator.sha256,
                stage=self._evaluator.num_examples if self.is_whole(quality) else quality.examples,
                metrics=quality.metrics,
                per_example=None if quality.outcome is None else quality.outcome.to_bytes(),
                seconds=quality.seconds,
            )
        )
