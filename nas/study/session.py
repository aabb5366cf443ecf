"""The right to propose, and the sampler rebuilt from the ledger: what ask, tell and the driver share."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from nas.errors import StorageError
from nas.search import Proposer, Seed, Twin, initial_design
from nas.study.history import baseline_metrics
from nas.study.proposals import (
    FULL_MODEL,
    RANDOM,
    drawn_at_random,
    encoded,
    make_proposer,
    standing,
    twin_of,
)
from nas.study.spec import StudySpec
from search_spaces import SearchSpace, SubnetConfig
from storage import (
    DiskFullError,
    FencedError,
    LeaseKeeper,
    Ledger,
    Proposal,
    StudyRecord,
    StudyState,
    TrialRecord,
    TrialState,
    TrialStateError,
    UnreachableError,
)

logger = logging.getLogger(__name__)

#: A driver that died is succeeded after this long.
LEASE_SECONDS: Final = 10.0
#: Proposals in a row that are known or over budget, after which random ones are tried.
STALE_PROPOSALS: Final = 100
_EVALUATED: Final = (TrialState.DONE, TrialState.FAILED, TrialState.PAUSED)
_WAITING: Final = (TrialState.PROPOSED, TrialState.RUNNING)


@dataclass(frozen=True, slots=True)
class _Known:
    """A sub-network of the study that needs no second evaluation."""

    number: int
    metrics: Mapping[str, float] | None


class Session:
    """Holds a study's lease and its in-memory sampler, from its making to `close`.

    One thread uses it. A study without trials gets its initial design first, the full model at its head.
    """

    _proposer: Proposer
    _known: dict[str, _Known]
    _num_points: int
    _evaluated: set[int]
    _told_paused: set[int]
    _taken_for_open: set[int]
    _is_outdated: bool
    _baseline: dict[str, float]

    def __init__(
        self,
        ledger: Ledger,
        study: StudyRecord,
        spec: StudySpec,
        space: SearchSpace,
        *,
        first_seeds: Callable[[], list[Seed]] | None = None,
    ) -> None:
        self.ledger, self.spec, self.space = ledger, spec, space
        self.study_id = study.id
        self._name = study.name
        self.lease = ledger.acquire(
            study.name, owner=f"{socket.gethostname()}/{os.getpid()}", seconds=LEASE_SECONDS
        )
        self._keeper = LeaseKeeper(ledger.renew, self.lease)
        self._keeper.__enter__()
        try:
            self.ledger.set_study_state(self.lease, StudyState.RUNNING)
            self._restore()
            if self._proposer.num_trials == 0:
                design = first_seeds or partial(initial_design, space, spec.design, seed=spec.seed)
                self.propose_seeds(design())
        except BaseException:
            self.close(StudyState.PAUSED)
            raise

    def close(self, state: StudyState, reason: str | None = None) -> None:
        """Write the study's state and give the lease back; a study that another driver took is left alone."""
        try:
            if not self._keeper.lost:
                self.ledger.set_study_state(self.lease, state, reason)
        except (FencedError, UnreachableError, DiskFullError) as error:
            logger.warning("study %r: its state %s was not written: %s", self._name, state.value, error)
        finally:
            self._keeper.__exit__(None, None, None)
        try:
            self.ledger.release(self.lease)
        except (UnreachableError, DiskFullError) as error:
            logger.warning("study %r: free when its lease is over: %s", self._name, error)

    def check_lease(self) -> None:
        """Raise when another driver has taken the study."""
        if self._keeper.lost:
            raise StorageError(f"study {self._name!r} was taken over by another driver; this one stops")

    @property
    def baseline(self) -> dict[str, float]:
        """Metrics of the full model as far as they are known."""
        return self._baseline

    @property
    def num_evaluated(self) -> int:
        """Distinct sub-networks whose evaluation ended, well or badly."""
        return len(self._evaluated)

    def propose_seeds(self, seeds: Sequence[Seed]) -> list[TrialRecord]:
        """Record sub-networks that no sampler chose; those over an exact budget become INFEASIBLE.

        The full model is exempt: it is the baseline. Known sub-networks are left out.
        """
        proposals: dict[str, Proposal] = {}
        for seed in seeds:
            config = seed.config.canonical(self.spec.shape)
            if config.key not in self._known and config.key not in proposals:
                proposals[config.key] = self._proposal(config, encoded(self.space, config), seed.origin)
        return self._record([], list(proposals.values()))

    def ask(self, count: int) -> list[TrialRecord]:
        """New sub-networks to evaluate, at most `count`; fewer when the space has no more.

        What the sampler proposes besides is recorded too: known sub-networks as DUPLICATE with the known
        result, those over an exact budget as INFEASIBLE. All are recorded at once, so that a driver that
        dies leaves the whole batch or nothing.
        """
        if self._is_outdated:
            self._restore()
        waiting = sorted(self._taken_for_open)
        asked: list[Proposal] = []
        pending: dict[str, int] = {}
        fresh = stale = 0
        while fresh < count and stale < STALE_PROPOSALS and not self._is_exhausted(len(pending)):
            parameters, attributes = self._proposer.ask()
            number = self._proposer.num_trials - 1
            config = self.space.decode(self.space.repaired(parameters))
            proposal = self._proposal(config, parameters, "sampler", attributes=attributes, pending=pending)
            asked.append(proposal)
            if proposal.state is not TrialState.DUPLICATE:
                pending[proposal.key] = number
            if proposal.state is TrialState.PROPOSED:
                fresh, stale = fresh + 1, 0
            else:
                stale += 1
                self._proposer.tell(number, self._twin(proposal, is_open=False))
        others: list[Proposal] = []
        if fresh < count and not self._is_exhausted(len(pending)):
            others = self._random_proposals(count - fresh, pending)
        recorded = self._record(asked, others, waiting=waiting)
        return [record for record in recorded if record.state is TrialState.PROPOSED]

    def dispatch(self, trial: TrialRecord, *, earlier: int | None = None) -> int:
        """Hand a trial that waits to a worker; which attempt at it that is.

        Args:
            trial: as it was read or proposed.
            earlier: attempts at it so far, if there were more since.

        Raises:
            TrialStateError: a driver that lost the study brought its result.
        """
        attempt = 1 + (trial.attempts if earlier is None else earlier)
        return self.ledger.dispatch(self.lease, trial.number, attempt=attempt)

    def complete(
        self, number: int, metrics: Mapping[str, float], *, seconds: float | None = None
    ) -> TrialRecord:
        """Record a result; the sampler hears of it with `tell`. The first result of a trial stays."""
        outcome = self.ledger.complete(self.study_id, number, metrics, seconds=seconds)
        if outcome == "conflict":
            logger.warning("trial %d has another result already; the first one stays", number)
        return self.ended(number)

    def fail(self, number: int, *, reason: str, message: str) -> TrialRecord:
        """Record that a trial has no result, unless a driver that lost the study brought it after all."""
        try:
            self.ledger.fail(self.lease, number, reason=reason, message=message)
        except TrialStateError as error:
            logger.warning("trial %d ended before: %s", number, error)
        return self.ended(number)

    def pause(self, number: int, metrics: Mapping[str, float], *, reason: str) -> None:
        """Record that a trial is stopped early, unless a driver that lost the study brought its result."""
        try:
            self.ledger.pause(self.lease, number, metrics, reason=reason)
        except TrialStateError as error:
            logger.warning("trial %d ended before: %s", number, error)
        self.ended(number)

    def reopen(self, number: int) -> None:
        """Take note of a paused trial that goes on."""
        self._evaluated.discard(number)

    @property
    def has_paused(self) -> bool:
        """Whether trials were stopped early."""
        return bool(self._told_paused)

    def ended(self, number: int) -> TrialRecord:
        """Take note of a trial that ended or was paused, whoever wrote its result."""
        record = self.ledger.trial(self.study_id, number)
        self._known[record.key] = _Known(number, record.metrics)
        self._evaluated.add(number)
        if record.origin == FULL_MODEL:
            self._baseline = {**record.costs, **(record.metrics or {})}
            # What the sampler was told before lacks the budgets that are relative to the full model.
            self._is_outdated = self._is_outdated or len(self._evaluated) > 1
        self._untold[number] = record
        return record

    def tell(self, number: int) -> TrialRecord:
        """Let the sampler know how a trial ended; harmless when it knows.

        Of a paused trial it hears the estimates. If that goes on and ends otherwise, the sampler is made anew
        from the ledger before it is asked again.
        """
        record = self._untold.pop(number, None) or self.ledger.trial(self.study_id, number)
        self._is_outdated = self._is_outdated or number in self._told_paused
        self._proposer.tell(number, self._twin(record, is_open=False))
        self._taken_for_open.discard(number)
        if record.state is TrialState.PAUSED:
            self._told_paused.add(number)
        return record

    def open_trials(self) -> list[TrialRecord]:
        """Trials that wait for an evaluation, those of a driver that died included."""
        return self.ledger.requeue_open(self.lease)

    def _restore(self) -> None:
        """Make the sampler anew from the ledger, which is read by pages."""
        record = self.ledger.study(self._name)
        full = self.ledger.trial_by_key(self.study_id, SubnetConfig.full(self.spec.shape).key)
        self._baseline = baseline_metrics(self.spec, [] if full is None else [full])
        self._proposer = make_proposer(self.spec, self.space, self._name)
        self._known, self._num_points = {}, 0
        self._evaluated, self._told_paused, self._taken_for_open = set(), set(), set()
        self._is_outdated = False
        for trial in self.ledger.each_trial(self.study_id):
            self._note(trial)
            self._sort_in(trial)
            self._proposer.add(self._twin(trial, is_open=trial.state in _WAITING))
        self._untold: dict[int, TrialRecord] = {}
        self._stored_state = record.sampler_state
        self._proposer.restore(record.sampler_state.get("sampler", {}))

    def _sort_in(self, trial: TrialRecord) -> None:
        if trial.state in _EVALUATED:
            self._evaluated.add(trial.number)
        if trial.state is TrialState.PAUSED:
            self._told_paused.add(trial.number)
        if trial.state in _WAITING:
            self._taken_for_open.add(trial.number)

    def _record(
        self, asked: Sequence[Proposal], others: Sequence[Proposal], *, waiting: Sequence[int] | None = None
    ) -> list[TrialRecord]:
        """Store what the sampler was asked for, then others, which it hears of now.

        `waiting` are the trials that it took for open, which is noted so that it can be asked again.
        """
        if not asked and not others:
            return []
        state = {"sampler": self._proposer.state()}
        changed = None if state == self._stored_state else state
        records = self.ledger.propose(
            self.lease,
            [*asked, *others],
            sampler_state=changed,
            waiting=waiting,
            first=self._proposer.num_trials - len(asked),
        )
        self._stored_state = state
        for record in records:
            self._note(record)
            if record.state in _WAITING:
                self._taken_for_open.add(record.number)
        for record in records[len(asked) :]:
            self._proposer.add(self._twin(record, is_open=not record.state.is_final))
        return records

    def _note(self, trial: TrialRecord) -> None:
        if trial.state is not TrialState.DUPLICATE:
            self._known[trial.key] = _Known(trial.number, trial.metrics)
            self._num_points += bool(trial.parameters)

    def _proposal(
        self,
        config: SubnetConfig,
        parameters: Mapping[str, int],
        origin: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        pending: Mapping[str, int] | None = None,
    ) -> Proposal:
        costs = self.spec.costs(config)
        known = self._known.get(config.key)
        reused_from = known.number if known is not None else (pending or {}).get(config.key)
        state, reason = standing(self.spec, costs, origin, is_repeated=reused_from is not None)
        return Proposal(
            key=config.key,
            config=config.to_json(),
            parameters=parameters,
            sampler_attributes=self._proposer.seed_attributes() if attributes is None else attributes,
            costs=costs,
            origin=origin,
            state=state,
            reused_from=reused_from,
            metrics=None if known is None else known.metrics,
            reason=reason,
        )

    def _random_proposals(self, count: int, pending: Mapping[str, int]) -> list[Proposal]:
        """Unknown sub-networks within budget, drawn at random: the sampler has none to offer."""
        configs = drawn_at_random(
            self.spec,
            self.space,
            count,
            number=self._proposer.num_trials,
            is_known=lambda key: key in self._known or key in pending,
        )
        return [self._proposal(config, encoded(self.space, config), RANDOM) for config in configs]

    def _is_exhausted(self, pending: int) -> bool:
        """Whether every point of the space is a trial, or among `pending` new ones."""
        return self._num_points + pending >= self.space.cardinality

    def _twin(self, trial: Proposal | TrialRecord, *, is_open: bool) -> Twin:
        return twin_of(self.spec, trial, self._baseline, is_open=is_open)
