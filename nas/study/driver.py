"""The search loop: propose, evaluate on a pool, record, until the budget is spent."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from nas.errors import ConfigError, EvaluationFailedError, InfeasibleError, TooManyFailuresError
from nas.evaluation import (
    Evaluator,
    LatencyEvaluation,
    LatencyResult,
    Quality,
    checked_metrics,
    shared_weights,
    skeleton_of,
)
from nas.study.latencies import POLL_SECONDS, Latencies, best_of, disturbed, is_settled
from nas.study.per_example import per_example_bytes
from nas.study.session import Session
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from storage import LatencyRecord, QualityRecord, TrialRecord, TrialStateError
from workers import Completion, Lane, LaneName, Pool, Task

logger = logging.getLogger(__name__)

MIN_DEADLINE_S: Final = 60.0
#: An evaluation that takes this many times the full model's is taken for hung.
DEADLINE_FACTOR: Final = 20.0
MAX_CONSECUTIVE_FAILURES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a search ends.

    Attributes:
        n_trials: distinct sub-networks evaluated in the study, those of earlier runs included.
        timeout_s: wall time of this run, after which nothing new begins.
        max_failed: failed evaluations that are put up with in this run.
    """

    n_trials: int
    timeout_s: float | None = None
    max_failed: int = 10

    def __post_init__(self) -> None:
        if self.n_trials < 1:
            raise ConfigError(f"n_trials is {self.n_trials}; it must be at least 1")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise ConfigError(f"timeout is {self.timeout_s}; give seconds above 0, or None for no limit")
        if self.max_failed < 0:
            raise ConfigError(f"max_failed is {self.max_failed}; it must be 0 or more")


@dataclass(slots=True)
class _Open:
    """A trial under evaluation."""

    record: TrialRecord
    config: SubnetConfig
    missing: set[LaneName]
    metrics: dict[str, float] = field(default_factory=dict)
    latencies: list[LatencyRecord] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def number(self) -> int:
        """Of the trial."""
        return self.record.number

    @property
    def is_baseline(self) -> bool:
        """Whether it is the full model."""
        return self.record.origin == "baseline:full"


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
        self._waiting: deque[TrialRecord] = deque()
        self._open: dict[int, _Open] = {}
        self._untold: list[int] = []
        self._failed = self._failed_in_row = 0
        self._last_failure = ""
        self._is_dry = False
        self._deadline_s: float | None = None

    def run(self, limits: Limits) -> str | None:
        """Search until a limit is reached.

        Returns:
            Why it ended before `n_trials` although there is more to search, or None.

        Raises:
            InfeasibleError: not even the smallest sub-network meets a latency budget.
            EvaluationFailedError: the full model cannot be evaluated, or too many sub-networks cannot.
        """
        until = None if limits.timeout_s is None else time.monotonic() + limits.timeout_s
        if self._left(limits) <= 0:
            return None
        self._start_pool()
        self._waiting.extend(self._session.open_trials())
        self._evaluate_baseline()
        self._check_latency_budgets()
        capacity = max(1, self._pool.free("quality")) + (1 if self._latency else 0)
        while True:
            self._session.check_lease()
            self._fill(limits, capacity, until)
            if not self._open:
                break
            self._collect()
            self._check_failures(limits)
        if _is_over(until) and self._left(limits) > 0:
            return f"timeout after {limits.timeout_s:g} s"
        if self._left(limits) > 0:
            logger.info("the space has no further sub-network: %d evaluated", self._session.num_evaluated)
        return None

    def _left(self, limits: Limits) -> int:
        """Evaluations that may still begin."""
        return limits.n_trials - self._session.num_evaluated - len(self._open)

    def _start_pool(self) -> None:
        skeleton = skeleton_of(self._supernet)
        lanes: dict[LaneName, Lane] = {
            "quality": Lane(factory=self._evaluator.factory(skeleton), num_workers=1)
        }
        if self._latency is not None:
            lanes["latency"] = Lane(
                factory=self._latency.factory(skeleton), num_workers=1, threads=self._latency.target.threads
            )
        self._pool.start(lanes, shared_weights(self._supernet, self._evaluator.weights_dtype))

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
            record = self._latencies.known(full) or self._latencies.measure(full, self._pool)
            self._latencies.reference_ms = record.statistics["reference_ms"]
        quality = self._known_quality(full)
        if quality is not None:
            self._deadline_s = max(MIN_DEADLINE_S, DEADLINE_FACTOR * quality.seconds)

    def _check_latency_budgets(self) -> None:
        """Refuse a latency budget that the smallest sub-network breaks, before the search is paid for."""
        spec, baseline = self._session.spec, self._session.baseline
        upper = [c for c in spec.latency_constraints if c.relation == "<="]
        if not upper or self._latencies is None:
            return
        smallest = self._session.space.smallest()
        record = self._latencies.known(smallest) or self._latencies.measure(smallest, self._pool)
        metrics = self._latencies.optimistic(record)
        for constraint in upper:
            if constraint.violation(metrics[constraint.metric], baseline) > 0:
                reached = f"{constraint.metric} = {metrics[constraint.metric]:.3g}"
                raise InfeasibleError(
                    f"no sub-network of this space can meet {str(constraint)!r}: the smallest has {reached}, "
                    f"the full model {baseline[constraint.metric]:.3g}; relax the budget or widen the space",
                    str(constraint),
                    reached,
                )

    # Beginning trials

    def _fill(self, limits: Limits, capacity: int, until: float | None) -> None:
        """Begin trials until all workers are busy; what waits goes before new proposals."""
        while len(self._open) < capacity and self._left(limits) > 0 and not _is_over(until):
            if not self._waiting:
                self._waiting.extend(self._ask(capacity - len(self._open), self._left(limits)))
            if not self._waiting:
                return
            self._begin(self._waiting.popleft())
            self._check_failures(limits)

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
        trial = _Open(record, SubnetConfig.from_json(record.config), {"quality"})
        try:
            self._session.ledger.dispatch(self._session.lease, record.number)
        except TrialStateError:
            self._adopt(record.number)
            return
        self._open[record.number] = trial
        quality = self._known_quality(trial.config)
        if quality is not None:
            trial.metrics.update(quality.metrics)
            trial.missing.discard("quality")
        if self._latencies is not None:
            latency = self._latencies.known(trial.config)
            if latency is None:
                trial.missing.add("latency")
            else:
                self._take_latency_record(trial, latency)
        for lane in sorted(trial.missing):
            self._submit(trial, lane)
        self._finish_if_complete(trial)

    def _submit(self, trial: _Open, lane: LaneName) -> None:
        if lane == "latency":
            assert self._latencies is not None
            self._pool.submit(self._latencies.task(trial.number, trial.config))
            return
        payload = trial.config.to_json()
        self._pool.submit(
            Task(number=trial.number, payload=payload, lane="quality", timeout_s=self._deadline_s)
        )

    # Collecting results

    def _collect(self) -> None:
        """Handle what ended; what belongs to a trial that ended otherwise is dropped."""
        for completion in self._pool.wait(POLL_SECONDS):
            trial = self._open.get(completion.task.number)
            if trial is not None and completion.task.lane in trial.missing:
                self._handle(trial, completion)

    def _handle(self, trial: _Open, completion: Completion) -> None:
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

    def _run_again(self, trial: _Open, reason: str) -> None:
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

    def _take_quality(self, trial: _Open, quality: object) -> None:
        if not isinstance(quality, Quality):
            self._fail(trial, "bug", f"the evaluator returned {type(quality).__name__}, not a Quality")
            return
        try:
            metrics = checked_metrics(quality.metrics, self._evaluator.metrics)
        except EvaluationFailedError as error:
            self._fail(trial, error.reason, str(error))
            return
        trial.metrics.update(metrics)
        trial.missing.discard("quality")
        record = QualityRecord(
            supernet_sha256=self._supernet.sha256,
            key=trial.config.key,
            data_sha256=self._evaluator.sha256,
            stage=self._evaluator.num_examples,
            metrics=metrics,
            per_example=per_example_bytes(quality),
            seconds=quality.seconds,
        )
        self._session.ledger.put_quality(record)

    def _take_latency(self, trial: _Open, result: object) -> None:
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

    def _take_latency_record(self, trial: _Open, record: LatencyRecord) -> None:
        assert self._latencies is not None
        trial.missing.discard("latency")
        trial.metrics.update(self._latencies.metrics(record))

    def _known_quality(self, config: SubnetConfig) -> QualityRecord | None:
        return self._session.ledger.quality(
            self._supernet.sha256, config.key, self._evaluator.sha256, self._evaluator.num_examples
        )

    # Ending trials

    def _finish_if_complete(self, trial: _Open) -> None:
        if trial.missing or trial.number not in self._open:
            return
        try:
            self._session.spec.check_measured({**trial.record.costs, **trial.metrics})
        except ConfigError as error:
            if trial.is_baseline:  # a typo in an objective is told after the first evaluation
                raise
            self._fail(trial, "bug", str(error))
            return
        del self._open[trial.number]
        self._failed_in_row = 0
        self._session.complete(trial.number, trial.metrics, seconds=trial.seconds)
        self._told(trial.number)

    def _fail(self, trial: _Open, reason: str, message: str) -> None:
        self._open.pop(trial.number, None)
        self._failed += 1
        self._failed_in_row += 1
        self._last_failure = message
        logger.warning("trial %d failed (%s): %s", trial.number, reason, message)
        self._session.fail(trial.number, reason=reason, message=message)
        self._told(trial.number)

    def _check_failures(self, limits: Limits) -> None:
        if self._failed > limits.max_failed:
            raise TooManyFailuresError(
                f"{self._failed} sub-networks failed in this run, more than max_failed {limits.max_failed}; "
                f"the last one: {self._last_failure}; `nas trials ls STUDY` shows all reasons",
                "bug",
            )
        if self._failed_in_row >= MAX_CONSECUTIVE_FAILURES:
            raise TooManyFailuresError(
                f"{self._failed_in_row} sub-networks failed in a row, the last one: {self._last_failure}",
                "bug",
            )

    def _told(self, number: int) -> None:
        self._is_dry = False
        if self._session.spec.deterministic:
            self._untold.append(number)
        else:
            self._session.tell(number)
        self._after_trial(number)

    def _tell_in_order(self) -> None:
        for number in sorted(self._untold):
            self._session.tell(number)
        self._untold.clear()


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until
