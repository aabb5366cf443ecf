"""The right to propose, and the sampler rebuilt from the ledger: what ask, tell and the driver share."""

from __future__ import annotations

import itertools
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from nas.errors import StorageError
from nas.search import Proposer, Seed
from nas.search.proposer import Twin
from nas.study.history import baseline_metrics
from nas.study.spec import StudySpec
from search_spaces import SearchSpace, SpaceError, SubnetConfig
from storage import Ledger, LeaseKeeper, Proposal, StudyRecord, StudyState, TrialRecord, TrialState

logger = logging.getLogger(__name__)

#: A driver that died is succeeded after this long.
LEASE_SECONDS: Final = 10.0
#: Proposals in a row that are known or over budget, after which random ones are tried.
STALE_PROPOSALS: Final = 100
RANDOM_TRIES: Final = 2000


@dataclass(frozen=True, slots=True)
class _Known:
    """A sub-network of the study that needs no second evaluation."""

    number: int
    metrics: Mapping[str, float] | None


class Session:
    """Holds a study's lease and its in-memory sampler, from `open` to `close`.

    One thread uses it. Each change is in the ledger before the sampler hears of it.
    """

    def __init__(self, ledger: Ledger, study: StudyRecord, spec: StudySpec, space: SearchSpace) -> None:
        self.ledger, self.spec, self.space = ledger, spec, space
        self.study_id = study.id
        self._name = study.name
        self.lease = ledger.acquire(
            study.name, owner=f"{socket.gethostname()}/{os.getpid()}", seconds=LEASE_SECONDS
        )
        self._keeper = LeaseKeeper(ledger, self.lease)
        self._keeper.__enter__()
        try:
            self.ledger.set_study_state(self.lease, StudyState.RUNNING)
            self._restore()
        except BaseException:
            self.close(StudyState.PAUSED)
            raise

    def close(self, state: StudyState, reason: str | None = None) -> None:
        """Write the study's state and give the lease back."""
        try:
            if not self._keeper.lost:
                self.ledger.set_study_state(self.lease, state, reason)
        finally:
            self._keeper.__exit__(None, None, None)
            self.ledger.release(self.lease)

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
        return self._num_evaluated

    def propose_seeds(self, seeds: Sequence[Seed]) -> list[TrialRecord]:
        """Record sub-networks that no sampler chose; those over an exact budget become INFEASIBLE.

        The full model is exempt: it is the baseline. Known sub-networks are left out.
        """
        proposals = []
        for seed in seeds:
            config = seed.config.canonical(self.spec.shape)
            if config.key in self._known or any(p.key == config.key for p in proposals):
                continue
            is_exempt = seed.origin == "baseline:full"
            proposals.append(self._proposal(config, self._encode(config), seed.origin, is_exempt=is_exempt))
        return self._record(proposals, asked=False)

    def ask(self, count: int) -> list[TrialRecord]:
        """New sub-networks to evaluate, at most `count`; fewer when the space has no more.

        What the sampler proposes besides is recorded too: known sub-networks as DUPLICATE with the known
        result, those over an exact budget as INFEASIBLE.
        """
        proposals: list[Proposal] = []
        fresh: dict[str, int] = {}
        stale = 0
        while len(fresh) < count and stale < STALE_PROPOSALS and not self._is_exhausted(len(fresh)):
            parameters, attributes = self._proposer.ask()
            config = self.space.decode(parameters)
            proposal = self._proposal(config, parameters, "sampler", attributes=attributes, pending=fresh)
            proposals.append(proposal)
            if proposal.state is TrialState.PROPOSED:
                fresh[proposal.key] = self._proposer.num_trials - 1
                stale = 0
            else:
                stale += 1
                self._proposer.tell(self._proposer.num_trials - 1, self._twin(proposal, is_open=False))
        recorded = self._record(proposals, asked=True)
        if len(fresh) < count and not self._is_exhausted(0):
            recorded += self._record(self._random_proposals(count - len(fresh)), asked=False)
        return [record for record in recorded if record.state is TrialState.PROPOSED]

    def complete(self, number: int, metrics: Mapping[str, float], *, seconds: float | None = None) -> None:
        """Record a result; the sampler hears of it with `tell`."""
        outcome = self.ledger.complete(self.study_id, number, metrics, seconds=seconds)
        if outcome == "conflict":
            logger.warning("trial %d has another result already; the first one stays", number)
        record = self.ledger.trial(self.study_id, number)
        self._known[record.key] = _Known(number, record.metrics)
        self._num_evaluated += 1
        if record.origin == "baseline:full":
            self._baseline = {**record.costs, **(record.metrics or {})}

    def fail(self, number: int, *, reason: str, message: str) -> None:
        """Record that a trial has no result."""
        self.ledger.fail(self.lease, number, reason=reason, message=message)
        self._num_evaluated += 1

    def tell(self, number: int) -> None:
        """Let the sampler know how a trial ended."""
        record = self.ledger.trial(self.study_id, number)
        self._proposer.tell(number, self._twin(record, is_open=False))

    def open_trials(self) -> list[TrialRecord]:
        """Trials that wait for an evaluation, those of a driver that died included."""
        return self.ledger.requeue_open(self.lease)

    def _restore(self) -> None:
        record = self.ledger.study(self._name)
        trials = self.ledger.trials(self.study_id)
        self._baseline = baseline_metrics(self.spec, trials)
        self._proposer = Proposer(
            self.space, self.spec.objectives, sampler=self.spec.sampler, seed=self.spec.seed, name=self._name
        )
        self._known: dict[str, _Known] = {}
        self._num_evaluated = sum(t.state in (TrialState.DONE, TrialState.FAILED) for t in trials)
        for trial in trials:
            if trial.state is not TrialState.DUPLICATE:
                self._known[trial.key] = _Known(trial.number, trial.metrics)
            self._proposer.add(self._twin(trial, is_open=not trial.state.is_final))
        self._proposer.restore(record.sampler_state.get("sampler", {}))

    def _record(self, proposals: Sequence[Proposal], *, asked: bool) -> list[TrialRecord]:
        if not proposals:
            return []
        state = {"sampler": self._proposer.state()}
        records = self.ledger.propose(self.lease, proposals, sampler_state=state)
        for record in records:
            if record.state is not TrialState.DUPLICATE:
                self._known[record.key] = _Known(record.number, None)
            if not asked:
                self._proposer.add(self._twin(record, is_open=not record.state.is_final))
        return records

    def _proposal(
        self,
        config: SubnetConfig,
        parameters: Mapping[str, int],
        origin: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        pending: Mapping[str, int] | None = None,
        is_exempt: bool = False,
    ) -> Proposal:
        costs = self.spec.costs(config)
        known = self._known.get(config.key)
        state, reason, metrics, reused_from = TrialState.PROPOSED, None, None, None
        broken = [
            name
            for name, violation in self.spec.violations(
                costs, self.spec.full_costs, self.spec.exact_constraints
            ).items()
            if violation > 0
        ]
        if known is not None:
            state, metrics, reused_from = TrialState.DUPLICATE, known.metrics, known.number
        elif pending is not None and config.key in pending:
            state, reused_from = TrialState.DUPLICATE, pending[config.key]
        elif broken and not is_exempt:
            state, reason = TrialState.INFEASIBLE, f"breaks {broken[0]}"
        return Proposal(
            key=config.key,
            config=config.to_json(),
            parameters=parameters,
            sampler_attributes=self._proposer.seed_attributes() if attributes is None else attributes,
            costs=costs,
            origin=origin,
            state=state,
            reused_from=reused_from,
            metrics=metrics,
            reason=reason,
        )

    def _random_proposals(self, count: int) -> list[Proposal]:
        """Unknown sub-networks within budget, drawn at random: the sampler has none to offer."""
        generator = np.random.default_rng([self.spec.seed, self._proposer.num_trials])
        proposals: dict[str, Proposal] = {}
        for _ in range(RANDOM_TRIES):
            if len(proposals) == count:
                break
            config = self.space.sample(generator)
            if config.key in self._known or config.key in proposals:
                continue
            proposal = self._proposal(config, self._encode(config), "sampler:random")
            if proposal.state is TrialState.PROPOSED:
                proposals[config.key] = proposal
        return list(proposals.values())

    def _is_exhausted(self, pending: int) -> bool:
        return len(self._known) + pending >= self.space.cardinality and self._all_known()

    def _all_known(self) -> bool:
        """Whether every point of a small space is a trial; called only when the count says it may be."""
        axes = [[d.to_parameter(value) for value in d.values] for d in self.space.dimensions]
        names = [dimension.name for dimension in self.space.dimensions]
        points = (dict(zip(names, point, strict=True)) for point in itertools.product(*axes))
        return all(self.space.decode(point).key in self._known for point in points)

    def _encode(self, config: SubnetConfig) -> dict[str, int]:
        try:
            return self.space.encode(config)
        except SpaceError:
            return {}  # the full model need not be a point of the space

    def _twin(self, trial: Proposal | TrialRecord, *, is_open: bool) -> Twin:
        parameters = {name: int(value) for name, value in trial.parameters.items()}
        if is_open or not parameters:
            return Twin(parameters=parameters, attributes=trial.sampler_attributes, is_open=is_open)
        metrics = {**trial.costs, **(trial.metrics or {})}
        names = [objective.metric for objective in self.spec.objectives]
        is_measured = trial.metrics is not None and all(name in metrics for name in names)
        is_told = is_measured or trial.state is TrialState.INFEASIBLE
        constraints = self.spec.constraints if is_measured else self.spec.exact_constraints
        return Twin(
            parameters=parameters,
            attributes=trial.sampler_attributes,
            values=tuple(metrics[name] for name in names) if is_measured else None,
            violations=self.spec.violations(metrics, self._baseline, constraints) if is_told else None,
        )
