"""Trials under evaluation: from their dispatch to what the ledger and the sampler are told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from nas.errors import ConfigError, EvaluationFailedError
from nas.evaluation import Evaluator, Outcome, Quality, checked_metrics
from nas.study.latencies import POLL_SECONDS, Latencies, best_of, disturbed, is_settled
from nas.study.latency_floors import LatencyFloors
from nas.study.limits import Failures
from nas.study.offline import pause_for_latency
from nas.study.open_trial import OpenTrial
from nas.study.paused import PausedTrials, known_costs, likely_costs, paused_metrics
from nas.study.qualities import EVALUATED_EXAMPLES, Qualities
from nas.study.replies import checked_quality
from nas.study.session import Session
from nas.study.spool import Spool
from nas.study.telling import Telling
from search_spaces import SubnetConfig
from storage import FencedError, LatencyRecord, TrialRecord, TrialStateError
from workers import Completion, LaneName

logger = logging.getLogger(__name__)


class Evaluations:
    """Hands trials to a pool, and takes in how they end.

    Args:
        is_measured: whether a worker measures latency; else what `latencies` knows is all there is.

    Attributes:
        open: trials under evaluation, by number.
        failures: of this run.
        paused: trials that were stopped early; None where there is no race.
        rescued: numbers of paused trials that went on in this run.
        is_dry: whether the sampler has nothing to offer until it hears of another trial.
    """

    def __init__(
        self,
        session: Session,
        evaluator: Evaluator,
        pool: Spool,
        telling: Telling,
        *,
        qualities: Qualities,
        latencies: Latencies | None,
        floors: LatencyFloors | None,
        is_measured: bool,
    ) -> None:
        self._session, self._evaluator, self._pool, self._telling = session, evaluator, pool, telling
        self._qualities, self._latencies, self._floors = qualities, latencies, floors
        self._is_measured = is_measured
        self._is_raced = session.spec.racing is not None and evaluator.is_staged
        self.open: dict[int, OpenTrial] = {}
        self.failures = Failures()
        self.paused: PausedTrials | None = None
        self.rescued: set[int] = set()
        self.is_dry = False

    def begin(self, record: TrialRecord) -> None:
        """Hand a trial that waits to the pool; what is known of its sub-network is not measured again."""
        trial = OpenTrial(record, SubnetConfig.from_json(record.config), {"quality"})
        try:
            trial.attempts = self._session.dispatch(record)
        except TrialStateError:
            self._adopt(record.number)
            return
        self.open[record.number] = trial
        self._recall_quality(trial)
        latency = None if self._latencies is None else self._latencies.known(trial.config)
        if latency is not None:
            self._take_latency_record(trial, latency)
        elif self._is_measured and not ("quality" in trial.missing and self._races(trial)):
            trial.missing.add("latency")
        for lane in sorted(trial.missing):
            self._submit(trial, lane)
        self._finish_if_complete(trial)

    def _races(self, trial: OpenTrial) -> bool:
        return self._qualities.race is not None and trial.is_raced

    def _recall_quality(self, trial: OpenTrial) -> None:
        """Take what is stored of a sub-network's quality: all of it, or the part before it was paused."""
        quality = self._qualities.stored(trial.config)
        if quality is not None and quality.examples >= self._evaluator.num_examples:
            trial.quality = quality
            trial.metrics.update(quality.metrics)
            if self._is_raced:
                trial.metrics[EVALUATED_EXAMPLES] = float(trial.seen if trial.number in self.rescued else 0)
            trial.missing.discard("quality")
        elif self._races(trial):
            trial.quality = quality

    def _submit(self, trial: OpenTrial, lane: LaneName) -> None:
        if lane == "latency":
            assert self._latencies is not None
            self._pool.submit(self._latencies.task(trial.number, trial.config))
            return
        self._pool.submit(
            self._qualities.task(trial.number, trial.config, trial.seen, whole=not self._races(trial))
        )

    # Collecting results

    def collect(self) -> None:
        """Handle what ended; what belongs to a trial that ended otherwise is dropped."""
        for completion in self._pool.wait(POLL_SECONDS):
            trial = self.open.get(completion.task.number)
            if trial is not None and completion.task.lane in trial.missing:
                self._handle(trial, completion)

    def _handle(self, trial: OpenTrial, completion: Completion) -> None:
        trial.seconds += completion.seconds
        failure = completion.failure
        if failure is not None and completion.retrying:
            logger.warning("trial %d lost a worker (%s); it runs again", trial.number, failure.reason)
            self._run_again(trial, failure.reason)
        elif failure is not None:
            self._fail(trial, failure.reason, failure.message)
        elif completion.task.lane == "quality":
            self._take_quality(trial, completion.result)
        else:
            self._take_latency(trial, completion.result)
        self._finish_if_complete(trial)

    def _run_again(self, trial: OpenTrial, reason: str) -> None:
        try:
            self._session.ledger.requeue(self._session.lease, trial.number, outcome=reason)
            trial.attempts = self._session.dispatch(trial.record, earlier=trial.attempts)
        except TrialStateError:
            self._adopt(trial.number)

    def _adopt(self, number: int) -> None:
        """A driver that lost the study brought the result after all: it stays."""
        logger.warning("trial %d was finished by an earlier driver", number)
        self.open.pop(number, None)
        self._session.ended(number)
        self._told(number)

    def _take_quality(self, trial: OpenTrial, part: object) -> None:
        try:
            quality = self._qualities.joined(trial.quality, checked_quality(part, self._evaluator))
            metrics = checked_metrics(quality.metrics, self._evaluator.metrics)
        except EvaluationFailedError as error:
            self._fail(trial, error.reason, str(error))
            return
        except ConfigError as error:  # of parts that do not belong together
            self._fail(trial, "bug", str(error))
            return
        trial.quality = quality
        if not self._qualities.is_whole(quality):
            if not self._pauses(trial, quality):
                self._submit(trial, "quality")
            return
        trial.metrics.update(metrics)
        if self._is_raced:
            trial.metrics[EVALUATED_EXAMPLES] = float(quality.examples)
        trial.missing.discard("quality")
        self._qualities.keep(trial.config, quality)
        if self._latencies is not None and trial.latency is None and "latency" not in trial.missing:
            if (self._races(trial) and self._pauses(trial, quality)) or not self._is_measured:
                return
            trial.missing.add("latency")
            self._submit(trial, "latency")

    def _pauses(self, trial: OpenTrial, quality: Quality) -> bool:
        """Pause a trial if it seems dominated; whether it does."""
        race, paused = self._qualities.race, self.paused
        if race is None or paused is None or quality.outcome is None:
            return False
        known = known_costs(trial.record, trial.config, self._floors)
        likely = likely_costs(trial.record, trial.config, self._floors)
        if trial.latency is not None and self._latencies is not None:
            known = likely = {**known, **self._latencies.optimistic(trial.latency)}
        verdict = race.judge(quality.outcome, known, likely)
        reason = race.pauses(verdict)
        if reason is None:
            return False
        if not self._qualities.is_whole(quality):  # a whole one was kept when it came
            self._qualities.keep(trial.config, quality)
        del self.open[trial.number]
        metrics = paused_metrics(verdict, quality, trial.config, self._floors)
        self._session.pause(trial.number, metrics, reason=reason)
        paused.add(replace(trial.record, attempts=trial.attempts), trial.config, verdict)
        self._told(trial.number)
        return True

    def _take_latency(self, trial: OpenTrial, result: object) -> None:
        assert self._latencies is not None
        try:
            checked = self._latencies.checked(trial.config, result)
        except EvaluationFailedError as error:
            self._fail(trial, error.reason, str(error))
            return
        trial.latencies.append(self._latencies.store(trial.config, checked))
        if not is_settled(trial.latencies):
            self._submit(trial, "latency")
            return
        best = best_of(trial.latencies)
        if best.valid:
            self._take_latency_record(trial, best)
        else:
            self._fail(trial, "timeout", f"latency: {disturbed(trial.latencies)}")

    def _take_latency_record(self, trial: OpenTrial, record: LatencyRecord) -> None:
        assert self._latencies is not None
        trial.latency = record
        trial.missing.discard("latency")
        trial.metrics.update(self._latencies.metrics(record))
        self.learn_latency(trial.config, trial.metrics)

    def learn_latency(self, config: SubnetConfig, metrics: Mapping[str, float]) -> None:
        """Let predictions learn a measured ratio, if it is one."""
        if self._floors is not None:
            self._floors.learn(config, metrics)

    # Ending trials

    def _finish_if_complete(self, trial: OpenTrial) -> None:
        if trial.missing or trial.number not in self.open:
            return
        if self._floors is not None and trial.latency is None:
            pause_for_latency(self._session, trial, self._floors)
            del self.open[trial.number]
            self._told(trial.number)
            return
        try:
            self._session.spec.check_measured({**trial.record.costs, **trial.metrics})
        except ConfigError as error:
            if trial.is_full_model:  # a typo in an objective is told after the first evaluation
                raise
            self._fail(trial, "bug", str(error))
            return
        del self.open[trial.number]
        self.failures.in_row = 0
        self._session.complete(trial.number, trial.metrics, seconds=trial.seconds)
        self._told(trial.number, None if trial.quality is None else trial.quality.outcome)

    def _fail(self, trial: OpenTrial, reason: str, message: str) -> None:
        self.open.pop(trial.number, None)
        self.failures.add(message)
        logger.warning("trial %d failed (%s): %s", trial.number, reason, message)
        self._session.fail(trial.number, reason=reason, message=message)
        self._told(trial.number)

    def _told(self, number: int, outcome: Outcome | None = None) -> None:
        self.is_dry = False
        self._telling.told(number, outcome)

    # Stopping

    def give_back(self) -> None:
        """Leave what did not end in time to the next run, with the examples that were seen so far."""
        for trial in list(self.open.values()):
            if trial.quality is not None and trial.quality.outcome is not None:
                self._qualities.keep(trial.config, trial.quality)
            with suppress(TrialStateError):  # its result came from elsewhere
                self._session.ledger.requeue(self._session.lease, trial.number, outcome="halted")
        self.open.clear()

    def deliver(self) -> None:
        """Bring in what has ended although the study is lost: a finished result is a fact."""
        for completion in [*self._pool.kept(), *self._pool.wait(0)]:
            trial = self.open.get(completion.task.number)
            if trial is not None and completion.task.lane in trial.missing:
                with suppress(FencedError):
                    self._handle(trial, completion)
