"""The search loop: propose, evaluate on a pool, record, until the budget is spent."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from nas.errors import ConfigError, EvaluationFailedError
from nas.evaluation import (
    Evaluator,
    LatencyEvaluation,
    LatencyResult,
    Outcome,
    Quality,
    checked_metrics,
)
from nas.study.lanes import start_pool
from nas.study.latencies import POLL_SECONDS, Latencies, best_of, disturbed, is_settled
from nas.study.latency_budgets import check_budgets
from nas.study.latency_floors import LatencyFloors
from nas.study.limits import Failures, Limits
from nas.study.open_trial import OpenTrial
from nas.study.paused import PausedTrials, known_costs, likely_costs, paused_metrics
from nas.study.qualities import EVALUATED_EXAMPLES, Qualities
from nas.study.session import Session
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from storage import LatencyRecord, TrialRecord, TrialState, TrialStateError
from workers import Completion, LaneName, Pool

logger = logging.getLogger(__name__)

MIN_DEADLINE_S: Final = 60.0
#: An evaluation that takes this many times the full model's is taken for hung.
DEADLINE_FACTOR: Final = 20.0
#: Trials that may wait for the latency lane while others are evaluated.
LATENCY_QUEUE: Final = 4


class SearchDriver:
    """Runs one search; only it writes to the ledger while it holds the session."""

    def __init__(
        self,
        session: Session,
        supernet: Supernet,
        evaluator: Evaluator,
        pool: Pool,
        *,
        latency: LatencyEvaluation | None,
        after_trial: Callable[[int], None],
    ) -> None:
        self._session, self._supernet, self._evaluator = session, supernet, evaluator
        self._pool, self._latency, self._after_trial = pool, latency, after_trial
        self._latencies = None if latency is None else Latencies(session.ledger, session.spec.shape, latency)
        self._floors = None if latency is None else LatencyFloors(session.spec.shape)
        self._qualities = Qualities(session.ledger, supernet.sha256, evaluator)
        self._is_raced = session.spec.racing is not None and evaluator.is_staged
        self._paused: PausedTrials | None = None
        self._rescued: set[int] = set()
        self._entering: dict[int, Outcome | None] = {}
        self._waiting: deque[TrialRecord] = deque()
        self._open: dict[int, OpenTrial] = {}
        self._untold: list[int] = []
        self._failures = Failures()
        self._is_dry = False

    def run(self, limits: Limits) -> str | None:
        """Search until a limit is reached.

        Returns:
            Why it ended before `n_trials` although there is more to search, or None.

        Raises:
            InfeasibleError: not even the smallest sub-network meets a latency budget.
            EvaluationFailedError: the full model cannot be evaluated, or too many sub-networks cannot.
        """
        session = self._session
        until = None if limits.timeout_s is None else time.monotonic() + limits.timeout_s
        if self._left(limits) <= 0 and not session.has_paused:
            return None
        start_pool(self._pool, self._supernet, self._evaluator, self._latency)
        self._waiting.extend(session.open_trials())
        self._evaluate_baseline()
        self._start_race()
        if self._latencies is not None:
            check_budgets(session.spec, session.space, session.baseline, self._latencies, self._pool)
        capacity = max(1, self._pool.free("quality"))
        while True:
            self._session.check_lease()
            self._fill(limits, capacity, until)
            if not self._open:
                break
            self._collect()
            self._failures.check(limits)
        has_hopeful = self._paused is not None and self._paused.has_hopeful
        if _is_over(until) and (self._left(limits) > 0 or has_hopeful):
            return f"timeout after {limits.timeout_s:g} s"
        if self._left(limits) > 0:
            logger.info("the space has no further sub-network: %d evaluated", self._session.num_evaluated)
        return None

    def _left(self, limits: Limits) -> int:
        """Evaluations that may still begin."""
        return limits.n_trials - self._session.num_evaluated - len(self._open)

    # Before the search

    def _evaluate_baseline(self) -> None:
        """Evaluate the full model first and alone: budgets, deadlines and milliseconds refer to it."""
        session, full = self._session, SubnetConfig.full(self._session.spec.shape)
        waiting = next((trial for trial in self._waiting if trial.key == full.key), None)
        if waiting is not None:
            self._waiting.remove(waiting)
            self._begin(waiting)
            while self._open:
                self._collect()
        known = session.ledger.trial_by_key(session.study_id, full.key)
        if known is not None and known.metrics is None:
            raise EvaluationFailedError(
                f"the full model could not be evaluated, and all else refers to it: {known.message}; "
                "correct the evaluator or the data, and create another study",
                known.reason or "bug",
            )
        if self._latencies is not None:
            assert self._floors is not None
            record = self._latencies.known(full) or self._latencies.measure(full, self._pool)
            self._latencies.reference_ms = self._floors.reference_ms = record.statistics["reference_ms"]
        quality = self._qualities.known(full)
        if quality is not None:
            self._qualities.timeout_s = max(MIN_DEADLINE_S, DEADLINE_FACTOR * quality.seconds)

    def _start_race(self) -> None:
        """Judge candidates from here on, with what earlier runs left."""
        session, racing = self._session, self._session.spec.racing
        trials = session.ledger.trials(session.study_id, states={TrialState.DONE, TrialState.PAUSED})
        for trial in trials:
            if trial.state is TrialState.DONE:
                self._learn_latency(SubnetConfig.from_json(trial.config), trial.metrics or {})
        if racing is None or not self._is_raced:
            return
        race = self._qualities.start_race(racing, session.spec, session.baseline)
        self._qualities.enter_known(trials)
        self._paused = PausedTrials(race, self._floors)
        self._paused.restore(trials, self._qualities)

    # Beginning trials

    def _fill(self, limits: Limits, capacity: int, until: float | None) -> None:
        """Begin trials until all workers are busy."""
        while self._room(capacity) > 0 and not _is_over(until):
            record = self._next(self._left(limits), capacity)
            if record is None:
                return
            self._begin(record)
            self._failures.check(limits)

    def _room(self, capacity: int) -> int:
        """Trials that may begin: one a quality worker, and a short queue before the latency lane."""
        evaluated = sum("quality" in trial.missing for trial in self._open.values())
        queue = 0 if self._latency is None else LATENCY_QUEUE
        return min(capacity - evaluated, capacity + queue - len(self._open))

    def _next(self, left: int, capacity: int) -> TrialRecord | None:
        """What waits goes before new proposals, and these before paused trials that are still hopeful."""
        if left > 0 and not self._waiting:
            self._waiting.extend(self._ask(self._room(capacity), left))
        if left > 0 and self._waiting:
            return self._waiting.popleft()
        if self._paused is None or (self._session.spec.deterministic and self._open):
            return None
        if self._session.spec.deterministic:
            self._tell_in_order()
        record = self._paused.most_promising()
        if record is not None:
            self._rescued.add(record.number)
            self._session.reopen(record.number)
        return record

    def _ask(self, slots: int, left: int) -> list[TrialRecord]:
        spec = self._session.spec
        if spec.deterministic:
            if self._open:
                return []
            self._tell_in_order()
            return self._session.ask(min(spec.parallel, left))
        if self._is_dry:
            return []
        asked = self._session.ask(min(slots, left))
        self._is_dry = not asked  # until a result teaches the sampler something
        return asked

    def _begin(self, record: TrialRecord) -> None:
        trial = OpenTrial(record, SubnetConfig.from_json(record.config), {"quality"})
        try:
            self._session.ledger.dispatch(self._session.lease, record.number)
        except TrialStateError:
            self._adopt(record.number)
            return
        self._open[record.number] = trial
        self._recall_quality(trial)
        latency = None if self._latencies is None else self._latencies.known(trial.config)
        if latency is not None:
            self._take_latency_record(trial, latency)
        elif self._latencies is not None and not ("quality" in trial.missing and self._races(trial)):
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
                trial.metrics[EVALUATED_EXAMPLES] = float(trial.seen if trial.number in self._rescued else 0)
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

    def _collect(self) -> None:
        """Handle what ended; what belongs to a trial that ended otherwise is dropped."""
        for completion in self._pool.wait(POLL_SECONDS):
            trial = self._open.get(completion.task.number)
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
            self._session.ledger.dispatch(self._session.lease, trial.number)
        except TrialStateError:
            self._adopt(trial.number)

    def _adopt(self, number: int) -> None:
        """A driver that lost the study brought the result after all: it stays."""
        logger.warning("trial %d was finished by an earlier driver", number)
        self._open.pop(number, None)
        self._session.ended(number)
        self._told(number)

    def _take_quality(self, trial: OpenTrial, part: object) -> None:
        if not isinstance(part, Quality):
            self._fail(trial, "bug", f"the evaluator returned {type(part).__name__}, not a Quality")
            return
        try:
            quality = self._qualities.joined(trial.quality, part)
            metrics = checked_metrics(quality.metrics, self._evaluator.metrics)
        except EvaluationFailedError as error:
            self._fail(trial, error.reason, str(error))
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
            if self._races(trial) and self._pauses(trial, quality):
                return
            trial.missing.add("latency")
            self._submit(trial, "latency")

    def _pauses(self, trial: OpenTrial, quality: Quality) -> bool:
        """Pause a trial if it seems dominated; whether it does."""
        race, paused = self._qualities.race, self._paused
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
        del self._open[trial.number]
        metrics = paused_metrics(verdict, quality, trial.config, self._floors)
        self._session.pause(trial.number, metrics, reason=reason)
        paused.add(trial.record, trial.config, verdict)
        self._told(trial.number)
        return True

    def _take_latency(self, trial: OpenTrial, result: object) -> None:
        assert self._latencies is not None
        assert isinstance(result, LatencyResult)
        trial.latencies.append(self._latencies.store(trial.config, result))
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
        self._learn_latency(trial.config, trial.metrics)

    def _learn_latency(self, config: SubnetConfig, metrics: Mapping[str, float]) -> None:
        if self._floors is not None and "latency_ratio" in metrics:
            self._floors.add(config, metrics["latency_ratio"])

    # Ending trials

    def _finish_if_complete(self, trial: OpenTrial) -> None:
        if trial.missing or trial.number not in self._open:
            return
        try:
            self._session.spec.check_measured({**trial.record.costs, **trial.metrics})
        except ConfigError as error:
            if trial.is_full_model:  # a typo in an objective is told after the first evaluation
                raise
            self._fail(trial, "bug", str(error))
            return
        del self._open[trial.number]
        self._failures.in_row = 0
        self._session.complete(trial.number, trial.metrics, seconds=trial.seconds)
        self._entering[trial.number] = None if trial.quality is None else trial.quality.outcome
        self._told(trial.number)

    def _fail(self, trial: OpenTrial, reason: str, message: str) -> None:
        self._open.pop(trial.number, None)
        self._failures.add(message)
        logger.warning("trial %d failed (%s): %s", trial.number, reason, message)
        self._session.fail(trial.number, reason=reason, message=message)
        self._told(trial.number)

    def _told(self, number: int) -> None:
        self._is_dry = False
        if self._session.spec.deterministic:
            self._untold.append(number)
        else:
            self._tell(number)
        self._after_trial(number)

    def _tell_in_order(self) -> None:
        for number in sorted(self._untold):
            self._tell(number)
        self._untold.clear()

    def _tell(self, number: int) -> None:
        """Let the sampler and the race know how a trial ended."""
        record = self._session.tell(number)
        outcome = self._entering.pop(number, None)
        if self._qualities.race is not None and record.state is TrialState.DONE:
            self._qualities.race.enter(number, {**record.costs, **(record.metrics or {})}, outcome)


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until
