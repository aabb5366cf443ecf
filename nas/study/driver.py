"""The search loop: propose, evaluate on a pool, record, until the budget is spent."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from nas.errors import EvaluationFailedError, StorageError
from nas.evaluation import Evaluator, LatencyEvaluation
from nas.study.control import Orders
from nas.study.evaluating import Evaluations
from nas.study.lanes import start_pool
from nas.study.latencies import Latencies
from nas.study.latency_budgets import check_budgets
from nas.study.latency_floors import LatencyFloors
from nas.study.offline import learn_imported, waiting_trials
from nas.study.paused import PausedTrials
from nas.study.qualities import Qualities
from nas.study.session import Session
from nas.study.spool import OverdueError, Spool
from nas.study.telling import Telling
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from storage import FencedError, TrialRecord, TrialState

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
        pool: Spool,
        *,
        orders: Orders,
        latency: LatencyEvaluation | None,
        after_trial: Callable[[int], None],
    ) -> None:
        self._session, self._supernet, self._evaluator = session, supernet, evaluator
        self._pool, self._latency, self._orders = pool, latency, orders
        self._latencies = None if latency is None else Latencies(session.ledger, session.spec.shape, latency)
        self._floors = None if latency is None else LatencyFloors(session.spec.shape)
        if self._latencies is not None and self._latencies.is_offline:
            self._latency = None  # latencies come from imports, no worker measures them
        self._qualities = Qualities(session.ledger, supernet.sha256, evaluator)
        self._telling = Telling(session, self._qualities, after_trial)
        self._evaluations = Evaluations(
            session,
            evaluator,
            pool,
            self._telling,
            qualities=self._qualities,
            latencies=self._latencies,
            floors=self._floors,
            is_measured=self._latency is not None,
        )
        self._is_raced = session.spec.racing is not None and evaluator.is_staged
        self._waiting: deque[TrialRecord] = deque()

    def run(self) -> str | None:
        """Search until a limit is reached, or the orders are to halt.

        Returns:
            Why it ended before `n_trials` although there is more to search, or None.

        Raises:
            InfeasibleError: not even the smallest sub-network meets a latency budget.
            EvaluationFailedError: the full model cannot be evaluated, or too many sub-networks cannot.
            StorageError: another driver has taken the study.
        """
        if self._left() <= 0 and not self._session.has_paused:
            return None
        timeout_s = self._orders.limits.timeout_s
        until = None if timeout_s is None else time.monotonic() + timeout_s
        start_pool(self._pool, self._supernet, self._evaluator, self._latency)
        self._orders.look(at_once=True)
        try:
            self._search(until)
        except OverdueError:
            self._evaluations.give_back()
        except (FencedError, StorageError):
            self._evaluations.deliver()
            raise
        return self._why_early(until)

    def _search(self, until: float | None) -> None:
        self._waiting.extend(self._session.open_trials())
        self._evaluate_baseline()
        self._orders.look()
        if self._orders.is_halted:
            return
        self._take_imported()
        self._start_race()
        if self._latencies is not None:
            session = self._session
            check_budgets(session.spec, session.space, session.baseline, self._latencies, self._pool)
        while True:
            self._session.check_lease()
            self._orders.look()
            self._fill(self._capacity(), until)
            if self._evaluations.open:
                self._evaluations.collect()
                self._evaluations.failures.check(self._orders.limits)
            elif not self._orders.want_more():
                return

    def _why_early(self, until: float | None) -> str | None:
        orders = self._orders
        has_hopeful = self._evaluations.paused is not None and self._evaluations.paused.has_hopeful
        is_complete = self._left() <= 0 and not has_hopeful
        if orders.halt is not None and not is_complete:
            return orders.halt.reason or f"{orders.halt.halt} asked for"
        if _is_over(until) and not is_complete:
            return f"timeout after {orders.limits.timeout_s:g} s"
        if self._left() > 0:
            logger.info("the space has no further sub-network: %d evaluated", self._session.num_evaluated)
        return None

    def _left(self) -> int:
        """Evaluations that may still begin."""
        return self._orders.limits.n_trials - self._session.num_evaluated - len(self._evaluations.open)

    # Before the search

    def _evaluate_baseline(self) -> None:
        """Evaluate the full model first and alone: budgets, deadlines and milliseconds refer to it."""
        session, full = self._session, SubnetConfig.full(self._session.spec.shape)
        waiting = next((trial for trial in self._waiting if trial.key == full.key), None)
        if waiting is not None:
            self._waiting.remove(waiting)
            self._evaluations.begin(waiting)
            while self._evaluations.open:
                self._evaluations.collect()
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

    def _take_imported(self) -> None:
        """Learn what was measured on a device out of reach, and go on with what waited for it."""
        if self._latencies is None or self._floors is None or not self._latencies.is_offline:
            return
        learn_imported(self._floors, self._session.ledger, self._session.spec)
        for record in waiting_trials(self._session, self._latencies):
            self._session.reopen(record.number)
            self._evaluations.begin(record)

    def _start_race(self) -> None:
        """Judge candidates from here on, with what earlier runs left."""
        session, racing = self._session, self._session.spec.racing
        if self._floors is not None:
            for trial in session.ledger.each_trial(session.study_id, states={TrialState.DONE}):
                self._evaluations.learn_latency(SubnetConfig.from_json(trial.config), trial.metrics or {})
        if racing is None or not self._is_raced:
            return
        trials = session.ledger.trials(session.study_id, states={TrialState.DONE, TrialState.PAUSED})
        race = self._qualities.start_race(racing, session.spec, session.baseline)
        self._qualities.enter_known(trials)
        self._evaluations.paused = PausedTrials(race, self._floors)
        self._evaluations.paused.restore(trials, self._qualities)

    # Beginning trials

    def _fill(self, capacity: int, until: float | None) -> None:
        """Begin trials until all workers are busy."""
        while self._room(capacity) > 0 and not _is_over(until) and not self._orders.is_halted:
            record = self._next(self._left(), capacity)
            if record is None:
                return
            self._evaluations.begin(record)
            self._evaluations.failures.check(self._orders.limits)

    def _capacity(self) -> int:
        """Quality workers that there are now, busy or not: some join late, some are lost."""
        return max(1, self._num_evaluated() + self._pool.free("quality"))

    def _num_evaluated(self) -> int:
        return sum("quality" in trial.missing for trial in self._evaluations.open.values())

    def _room(self, capacity: int) -> int:
        """Trials that may begin: one a quality worker, and a short queue before the latency lane."""
        evaluated = self._num_evaluated()
        queue = 0 if self._latency is None else LATENCY_QUEUE
        return min(capacity - evaluated, capacity + queue - len(self._evaluations.open))

    def _next(self, left: int, capacity: int) -> TrialRecord | None:
        """What waits goes before new proposals, and these before paused trials that are still hopeful."""
        if left > 0 and not self._waiting:
            self._waiting.extend(self._ask(self._room(capacity), left))
        if left > 0 and self._waiting:
            return self._waiting.popleft()
        if self._evaluations.paused is None or (self._session.spec.deterministic and self._evaluations.open):
            return None
        if self._session.spec.deterministic:
            self._telling.in_order()
        record = self._evaluations.paused.most_promising()
        if record is not None:
            self._evaluations.rescued.add(record.number)
            self._session.reopen(record.number)
        return record

    def _ask(self, slots: int, left: int) -> list[TrialRecord]:
        spec = self._session.spec
        if spec.deterministic:
            if self._evaluations.open:
                return []
            self._telling.in_order()
            return self._session.ask(min(spec.parallel, left))
        if self._evaluations.is_dry:
            return []
        asked = self._session.ask(min(slots, left))
        self._evaluations.is_dry = not asked  # until a result teaches the sampler something
        return asked


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until
