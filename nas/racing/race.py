"""Who goes on: candidates against the front of those that were evaluated in full."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from nas.evaluation.outcome import Outcome
from nas.metrics import METRICS
from nas.objectives import Constraint, Objective
from nas.pareto import Front
from nas.racing.bounds import Array, Estimate, regression_estimate, serfling_estimate
from nas.racing.observations import can_race, from_linear, head, observations, to_linear
from nas.racing.settings import BOUNDED, Racing

#: Members of the front that serve as control variates: those of nearest cost.
_CONTROLS: Final = 6


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is known of a candidate after a stage.

    Attributes:
        examples: seen so far.
        estimates: by metric, of all the data.
        known: exact costs, and lower bounds of latencies, by metric.
        likely: the same with predicted latencies.
    """

    examples: int
    estimates: Mapping[str, Estimate]
    known: Mapping[str, float]
    likely: Mapping[str, float]

    @property
    def metrics(self) -> dict[str, float]:
        """Estimated metrics, those left out that cannot be estimated yet."""
        found = {name: one.mean for name, one in self.estimates.items() if math.isfinite(one.mean)}
        return {name: from_linear(name, mean) for name, mean in found.items()}

    def optimistic(self, name: str, direction: str, quantile: float) -> float:
        """The best value of a metric that is not ruled out, in its own unit."""
        if name in self.known:
            return self.known[name]
        sign = 1 if direction == "max" else -1
        estimate = self.estimates.get(name)
        if estimate is None or not math.isfinite(estimate.mean):
            return sign * math.inf
        return from_linear(name, estimate.bound(quantile, sign))


class Race:
    """Decides after each stage whether a candidate goes on.

    It knows the sub-networks that were evaluated in full and within all budgets, as far as none of them
    dominates another.

    Args:
        racing: settings.
        objectives: of the study.
        constraints: of the study; one that is surely broken pauses too.
        baseline: metrics of the full model, which constraints may refer to.
        num_examples: of a full evaluation.
    """

    def __init__(
        self,
        racing: Racing,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint],
        *,
        baseline: Mapping[str, float],
        num_examples: int,
    ) -> None:
        self._racing, self._objectives, self._constraints = racing, tuple(objectives), tuple(constraints)
        self._baseline, self._num_examples = baseline, num_examples
        named = [o.metric for o in objectives] + [c.metric for c in constraints]
        self._metrics = tuple(dict.fromkeys(name for name in named if can_race(name)))
        self._front: Front[int] = Front(len(self._objectives))
        self._outcomes: dict[int, Outcome] = {}
        self._items_per_example = 1.0
        self._seen: dict[tuple[Hashable, ...], Array] = {}
        self.stages = racing.stages_of(num_examples)

    def enter(self, number: int, metrics: Mapping[str, float], outcome: Outcome | None) -> None:
        """Take note of a sub-network that was evaluated in full.

        Args:
            number: of its trial.
            metrics: all that were measured, and its costs.
            outcome: of all examples, in the evaluator's order; None where it is not known any more.
        """
        if outcome is not None:
            self._items_per_example = max(float(np.mean(outcome.counts)), 1e-12)
        if any(not c.satisfied(metrics, self._baseline) for c in self._constraints):
            return
        if outcome is not None:
            self._outcomes[number] = outcome
        if number not in self._front.ids:
            self._front.add([o.minimised(metrics[o.metric]) for o in self._objectives], number)
        numbers = set(self._front.ids)
        self._outcomes = {key: value for key, value in self._outcomes.items() if key in numbers}
        self._seen = {key: value for key, value in self._seen.items() if key[0] in numbers}

    @property
    def unknown(self) -> list[int]:
        """Numbers of members whose outcome is missing; `recall` adds it."""
        return [number for number in self._front.ids if number not in self._outcomes]

    def recall(self, number: int, outcome: Outcome) -> None:
        """Add the outcome of a member that was entered without it."""
        self._outcomes[number] = outcome

    def judge(
        self, outcome: Outcome, known: Mapping[str, float], likely: Mapping[str, float] | None = None
    ) -> Verdict:
        """What a stage says of a candidate.

        Args:
            outcome: of the examples seen so far.
            known: exact costs, and lower bounds of latencies where there are any.
            likely: the same with predicted latencies; without it the bounds are taken for them.
        """
        controls = self._controls(known)
        estimates = {name: self._estimate(name, outcome, controls) for name in self._metrics}
        return Verdict(
            examples=len(outcome), estimates=estimates, known=dict(known), likely=dict(likely or known)
        )

    def pauses(self, verdict: Verdict) -> str | None:
        """Why a candidate should be paused for now, or None.

        Where paused ones are rescued the estimate itself decides, and the bound later, when the front is
        better known.
        """
        if not self._racing.rescue:
            return self._ruled_out(verdict, self._racing.quantile)
        expected = replace(verdict, known=verdict.likely)
        return self._ruled_out(expected, 0.0 if self._racing.bound == "normal" else self._racing.quantile)

    def is_hopeful(self, verdict: Verdict) -> bool:
        """Whether a paused candidate may still be on the front."""
        return self._racing.rescue and self._ruled_out(verdict, self._racing.quantile) is None

    def promise(self, verdict: Verdict) -> float:
        """How far a candidate may lie before the front: the smallest lead over a member, relative to it."""
        optimistic = self._optimistic(verdict, self._racing.quantile)
        points = self._front.values
        leads = np.max((points - optimistic) / (np.abs(points) + 1e-12), axis=1)
        return float(np.min(leads, initial=math.inf))

    def _ruled_out(self, verdict: Verdict, quantile: float) -> str | None:
        for constraint in self._constraints:
            side = "min" if constraint.relation == "<=" else "max"
            value = verdict.optimistic(constraint.metric, side, quantile)
            is_known = constraint.metric in self._metrics and math.isfinite(value)
            if is_known and constraint.violation(value, self._baseline) > 0:
                return f"breaks {constraint}"
        optimistic = self._optimistic(verdict, quantile)
        points = self._front.values
        rows = np.flatnonzero(np.all(points <= optimistic, axis=1) & np.any(points < optimistic, axis=1))
        return f"dominated by trial {self._front.ids[rows[0]]}" if rows.size else None

    def _optimistic(self, verdict: Verdict, quantile: float) -> Array:
        return np.array(
            [o.minimised(verdict.optimistic(o.metric, o.direction, quantile)) for o in self._objectives]
        )

    def _controls(self, known: Mapping[str, float]) -> list[int]:
        """Members that are known example by example, those of nearest known costs first."""
        columns = [i for i, o in enumerate(self._objectives) if o.metric in known]
        own = np.array([self._objectives[i].minimised(known[self._objectives[i].metric]) for i in columns])
        points = self._front.values[:, columns]
        distances = np.sum(np.abs(points - own) / (np.abs(points) + 1e-12), axis=1)
        nearest = sorted(zip(distances.tolist(), self._front.ids, strict=True))
        return [number for _, number in nearest if number in self._outcomes][:_CONTROLS]

    def _estimate(self, name: str, outcome: Outcome, members: Sequence[int]) -> Estimate:
        values = observations(name, outcome, self._items_per_example)
        if self._racing.bound == "anytime" and name in BOUNDED:
            return self._anytime(name, values, members)
        columns = [self._observed(name, member, len(outcome)) for member in members]
        controls = np.stack(columns, axis=1) if columns else np.empty((len(values), 0))
        means = np.array([self._full(name, member) for member in members])
        usable = np.isfinite(controls).all(axis=0) & np.isfinite(means)
        found = METRICS[name]
        pooled = float(values.var()) if not math.isfinite(found.upper) else 1.0
        return regression_estimate(
            values,
            controls[:, usable],
            means[usable],
            share=len(outcome) / self._num_examples,
            spread=max(pooled, 1e-12),
        )

    def _anytime(self, name: str, values: Array, members: Sequence[int]) -> Estimate:
        control = members[0] if members else None
        return serfling_estimate(
            values,
            None if control is None else self._observed(name, control, len(values)),
            0.0 if control is None else self._full(name, control),
            num_examples=self._num_examples,
            risk=(1 - self._racing.confidence) / max(1, len(self.stages) - 1),
        )

    def _observed(self, name: str, member: int, size: int) -> Array:
        key = (member, name, size)
        if key not in self._seen:
            part = head(self._outcomes[member], size)
            self._seen[key] = observations(name, part, self._items_per_example)
        return self._seen[key]

    def _full(self, name: str, member: int) -> float:
        key = (member, name)
        if key not in self._seen:
            self._seen[key] = np.array(to_linear(name, self._outcomes[member].values([name])[name]))
        return float(self._seen[key])
