"""The search loop: propose, evaluate on a pool, record, until the budget is spent."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nas.errors import ConfigError, EvaluationFailedError, InfeasibleError, TooManyFailuresError
from nas.evaluation import Evaluator, LatencyEvaluation, LatencyResult, Quality, arrays_of, shape_key, skeleton_of
from nas.search import initial_design
from nas.study.session import Session
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from storage import LatencyRecord, QualityRecord, TrialRecord
from workers import Completion, Lane, LaneName, PairedSamples, Pool, Task

logger = logging.getLogger(__name__)

#: A measurement that others disturbed is repeated so often.
LATENCY_TRIES: Final = 3
MIN_DEADLINE_S: Final = 60.0
#: An evaluation that takes this many times the full model's is taken for hung.
DEADLINE_FACTOR: Final = 20.0
POLL_SECONDS: Final = 1.0
MAX_CONSECUTIVE_FAILURES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a search ends.

    Attributes:
        n_trials: distinct sub-networks evaluated in the study, those of earlier runs included.
        timeout_s: wall time of this run.
        max_failed: failed evaluations that are put up with in this run.
    """

    n_trials: int
    timeout_s: float | None = None
    max_failed: int = 10


@dataclass(slots=True)
class _Open:
    """A trial under evaluation."""

    record: TrialRecord
    config: SubnetConfig
    missing: set[LaneName]
    metrics: dict[str, float] = field(default_factory=dict)
    latencies: list[LatencyResult] = field(default_factory=list)
    seconds: float = 0.0


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
        self._open: dict[int, _Open] = {}
        self._untold: list[int] = []
        self._failed = self._failed_in_row = 0
        self._deadline_s: float | None = None
        self._reference_ms = math.nan
        self._target_id = latency.target.fingerprint().id if latency else ""

    def run(self, limits: Limits, *, num_workers: int) -> None:
        """Search until a limit is reached.

        Raises:
            InfeasibleError: not even the smallest sub-network meets a latency budget.
            EvaluationFailedError: the full model cannot be evaluated, or too many sub-networks cannot.
        """
        start = time.monotonic()
        self._start_pool(num_workers)
        waiting = self._session.open_trials()
        if self._session.num_evaluated == 0 and not waiting:
            design = initial_design(self._session.space, self._session.spec.design, seed=self._session.spec.seed)
            self._session.propose_seeds(design)
            waiting = self._session.open_trials()
        waiting = self._evaluate_baseline(waiting)
        self._check_latency_budgets()
        capacity = num_workers + (1 if self._latency else 0)
        while True:
            self._session.check_lease()
            is_over = limits.timeout_s is not None and time.monotonic() - start >= limits.timeout_s
            left = limits.n_trials - self._session.num_evaluated - len(self._open)
            begun = 0
            if not is_over and left > 0:
                waiting, begun = self._fill(waiting, min(capacity - len(self._open), left), left)
            if not self._open and not begun:
                break
            if self._open:
                self._collect()
            if self._failed > limits.max_failed:
                raise TooManyFailuresError(
                    f"{self._failed} sub-networks failed in this run, more than max_failed {limits.max_failed}; "
                    "`nas trials ls STUDY` shows the reasons",
                    "bug",
                )

    def _start_pool(self, num_workers: int) -> None:
        skeleton = skeleton_of(self._supernet)
        lanes: dict[LaneName, Lane] = {
            "quality": Lane(factory=self._evaluator.factory(skeleton), num_workers=num_workers)
        }
        if self._latency is not None:
            lanes["latency"] = Lane(
                factory=self._latency.factory(skeleton), num_workers=1, threads=self._latency.target.threads
            )
        self._pool.start(lanes, arrays_of(self._supernet))

    def _evaluate_baseline(self, waiting: list[TrialRecord]) -> list[TrialRecord]:
        """Evaluate the full model first and alone: budgets, deadlines and milliseconds refer to it."""
        baseline = next((t for t in waiting if t.origin == "baseline:full"), None)
        full = SubnetConfig.full(self._session.spec.shape)
        if baseline is not None:
            self._begin(baseline)
            while self._open:
                self._collect()
            failed = self._session.ledger.trial(self._session.study_id, baseline.number)
            if failed.metrics is None:
                raise EvaluationFailedError(f"the full model cannot be evaluated: {failed.message}", "bug")
        if self._latency is not None:
            known = self._known_latency(full)
            if known is None:
                known = self._measure_now(full)
            self._reference_ms = known.statistics["reference_ms"]
        quality = self._known_quality(full)
        if quality is not None:
            self._deadline_s = max(MIN_DEADLINE_S, DEADLINE_FACTOR * quality.seconds)
        return [trial for trial in waiting if trial is not baseline]

    def _check_latency_budgets(self) -> None:
        """Refuse a latency budget that the smallest sub-network breaks, before the search is paid for."""
        spec, baseline = self._session.spec, self._session.baseline
        upper = [c for c in spec.latency_constraints if c.relation == "<="]
        if not upper or self._latency is None:
            return
        smallest = self._session.space.smallest()
        known = self._known_latency(smallest) or self._measure_now(smallest)
        metrics = self._latency_metrics(known.statistics, known.samples)
        for constraint in upper:
            if constraint.violation(metrics[constraint.metric], baseline) > 0:
                reached = f"{constraint.metric} = {metrics[constraint.metric]:.3g}"
                raise InfeasibleError(
                    f"no sub-network of this space can meet {str(constraint)!r}: the smallest has {reached}, the "
                    f"full model {baseline[constraint.metric]:.3g}; relax the budget or widen the space",
                    str(constraint),
                    reached,
                )

    def _fill(self, waiting: list[TrialRecord], slots: int, left: int) -> tuple[list[TrialRecord], int]:
        """Begin as many trials as there are slots; what waits goes before new proposals.

        Returns:
            What still waits, and how many were begun.
        """
        spec = self._session.spec
        if not waiting and slots > 0:
            if spec.deterministic:
                if self._open:
                    return waiting, 0
                self._tell_in_order()
                waiting = self._session.ask(min(spec.parallel, left))
            else:
                waiting = self._session.ask(slots)
        chosen, rest = waiting[: max(0, slots)], waiting[max(0, slots) :]
        for trial in chosen:
            self._begin(trial)
        return rest, len(chosen)

    def _begin(self, record: TrialRecord) -> None:
        config = SubnetConfig.from_json(record.config)
        self._session.ledger.dispatch(self._session.lease, record.number)
        trial = _Open(record, config, {"quality"})
        if self._latency is not None:
            trial.missing.add("latency")
        self._open[record.number] = trial
        known_quality = self._known_quality(config)
        if known_quality is not None:
            trial.metrics.update(known_quality.metrics)
            trial.missing.discard("quality")
        known_latency = self._known_latency(config)
        if self._latency is not None and known_latency is not None:
            trial.metrics.update(self._latency_metrics(known_latency.statistics, known_latency.samples))
            trial.missing.discard("latency")
        for lane in sorted(trial.missing):
            self._submit(trial, lane)
        self._finish_if_complete(trial)

    def _submit(self, trial: _Open, lane: LaneName) -> None:
        is_full = trial.record.origin == "baseline:full"
        payload: Any = None if lane == "latency" and is_full else trial.config.to_json()
        timeout = self._deadline_s if lane == "quality" else self._latency_deadline()
        self._pool.submit(Task(number=trial.record.number, payload=payload, lane=lane, timeout_s=timeout))

    def _latency_deadline(self) -> float | None:
        assert self._latency is not None
        return MIN_DEADLINE_S + 10 * self._latency.protocol.max_seconds

    def _collect(self) -> None:
        for completion in self._pool.wait(POLL_SECONDS):
            trial = self._open.get(completion.task.number)
            if trial is not None and completion.task.lane in trial.missing:
                self._handle(trial, completion)

    def _handle(self, trial: _Open, completion: Completion) -> None:
        number = trial.record.number
        trial.seconds += completion.seconds
        if completion.failure is not None:
            failure = completion.failure
            if completion.retrying:
                logger.warning("trial %d lost a worker (%s); it runs again", number, failure.reason)
                self._session.ledger.requeue(self._session.lease, number, outcome=failure.reason)
                self._session.ledger.dispatch(self._session.lease, number)
                return
            self._fail(trial, failure.reason, failure.message)
            return
        if completion.task.lane == "quality":
            self._take_quality(trial, completion.result)
        else:
            self._take_latency(trial, completion.result)
        self._finish_if_complete(trial)

    def _take_quality(self, trial: _Open, quality: Quality) -> None:
        try:
            trial.metrics.update(finite(quality.metrics))
        except EvaluationFailedError as error:
            self._fail(trial, error.reason, str(error))
            return
        trial.missing.discard("quality")
        record = QualityRecord(
            supernet_sha256=self._supernet.sha256,
            key=trial.config.key,
            data_sha256=self._evaluator.sha256,
            stage=self._evaluator.num_examples,
            metrics=quality.metrics,
            per_example=None if quality.logits is None else quality.logits.tobytes(),
            seconds=quality.seconds,
        )
        self._session.ledger.put_quality(record)

    def _take_latency(self, trial: _Open, result: LatencyResult) -> None:
        trial.latencies.append(result)
        self._store_latency(trial.config, result)
        if result.flag == "contended" and len(trial.latencies) < LATENCY_TRIES:
            self._submit(trial, "latency")
            return
        best = min(trial.latencies, key=_interval_width)
        if not best.is_usable:
            self._fail(
                trial,
                "timeout",
                f"latency stayed {best.flag} in {len(trial.latencies)} tries; run on a quieter machine",
            )
            return
        if "reference_ms" in best.statistics:
            self._reference_ms = best.statistics["reference_ms"]
        trial.missing.discard("latency")
        trial.metrics.update(self._latency_metrics(best.statistics, best.samples))
        trial.metrics["latency_is_quiet"] = float(best.flag == "ok")

    def _store_latency(self, config: SubnetConfig, result: LatencyResult) -> LatencyRecord:
        assert self._latency is not None
        record = LatencyRecord(
            shape_key=shape_key(self._session.spec.shape, config),
            target=self._target_id,
            workload_sha256=self._latency.target.workload_sha256,
            statistics=result.statistics,
            samples=result.samples,
            quality_flag=result.flag,
            device=result.device,
            valid=result.is_usable,
        )
        self._session.ledger.put_latency(record)
        return record

    def _latency_metrics(self, statistics: Mapping[str, float], samples: bytes | None) -> dict[str, float]:
        """A measurement as metrics; the full model is its own reference."""
        if "ratio" not in statistics:
            return {"latency_ratio": 1.0, "latency_ms": statistics["reference_ms"]}
        ratio = statistics["ratio"]
        metrics = {
            "latency_ratio": ratio,
            "latency_ratio_low": statistics["ratio_low"],
            "latency_ratio_high": statistics["ratio_high"],
            "latency_ms": ratio * self._reference_ms,
        }
        if samples is not None:
            cpu = PairedSamples.from_bytes(samples).candidate_cpu_ms
            metrics["cpu_latency_ms"] = float(sorted(cpu)[len(cpu) // 2])
        return metrics

    def _measure_now(self, config: SubnetConfig) -> LatencyRecord:
        """Measure one shape outside any trial."""
        is_full = config == SubnetConfig.full(self._session.spec.shape)
        payload = None if is_full else config.to_json()
        self._pool.submit(Task(number=-1, payload=payload, lane="latency", timeout_s=self._latency_deadline()))
        while True:
            for completion in self._pool.wait(POLL_SECONDS):
                if completion.task.number != -1 or completion.retrying:
                    continue
                if completion.failure is not None:
                    raise EvaluationFailedError(
                        f"latency cannot be measured: {completion.failure.message}", completion.failure.reason
                    )
                return self._store_latency(config, completion.result)

    def _known_quality(self, config: SubnetConfig) -> QualityRecord | None:
        return self._session.ledger.quality(
            self._supernet.sha256, config.key, self._evaluator.sha256, self._evaluator.num_examples
        )

    def _known_latency(self, config: SubnetConfig) -> LatencyRecord | None:
        if self._latency is None:
            return None
        return self._session.ledger.latency(
            shape_key(self._session.spec.shape, config),
            self._target_id,
            self._latency.target.workload_sha256,
        )

    def _finish_if_complete(self, trial: _Open) -> None:
        number = trial.record.number
        if trial.missing or number not in self._open:
            return
        self._check_objectives(trial)
        del self._open[number]
        self._failed_in_row = 0
        self._session.complete(number, trial.metrics, seconds=trial.seconds)
        self._told(number)

    def _check_objectives(self, trial: _Open) -> None:
        """Tell a typo in an objective after the first evaluation, not after the last."""
        known = {**trial.record.costs, **trial.metrics}
        spec = self._session.spec
        for metric in [*(o.metric for o in spec.objectives), *(c.metric for c in spec.constraints)]:
            if metric not in known:
                hint = "; give the study a target" if metric in spec.latency_metrics else ""
                raise ConfigError(f"{metric} was not measured; there is {', '.join(sorted(known))}{hint}")

    def _fail(self, trial: _Open, reason: str, message: str) -> None:
        number = trial.record.number
        self._open.pop(number, None)
        self._failed += 1
        self._failed_in_row += 1
        logger.warning("trial %d failed (%s): %s", number, reason, message)
        self._session.fail(number, reason=reason, message=message)
        self._told(number)
        if self._failed_in_row >= MAX_CONSECUTIVE_FAILURES:
            raise TooManyFailuresError(
                f"{self._failed_in_row} sub-networks failed in a row, the last one: {message}", "bug"
            )

    def _told(self, number: int) -> None:
        if self._session.spec.deterministic:
            self._untold.append(number)
        else:
            self._session.tell(number)
        self._after_trial(number)

    def _tell_in_order(self) -> None:
        for number in sorted(self._untold):
            self._session.tell(number)
        self._untold.clear()


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics as floats.

    Raises:
        EvaluationFailedError: one is not finite (reason `nan`).
    """
    checked = {}
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise EvaluationFailedError(f"{name} is {value}, which is not finite", "nan")
        checked[name] = float(value)
    return checked


def _interval_width(result: LatencyResult) -> float:
    statistics = result.statistics
    return statistics.get("ratio_high", 0.0) - statistics.get("ratio_low", 0.0)
