"""A study as one read of its database shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.cli.trial_rows import TrialRow
    from nas.objectives import Constraint, Objective
    from nas.study import Study, Trial

PAUSED = "PAUSED"
OPEN = ("PROPOSED", "RUNNING")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the tables show.

    Attributes:
        num_trials: of all states.
        counts: of them, by state in the words of people.
        front: the best in the first objective first.
        baselines: evaluated sub-networks that were no search's idea, the full model among them.
        full: metrics of the full model as far as they are known.
        hypervolume: of the front as a share of the box between reference and ideal.
        reference: the hypervolume's reference by metric; empty while it is not known.
        recovered: trials with the scores of their recovered weights, the best in the first objective first.
    """

    name: str
    objectives: tuple[Objective, ...]
    shown_metrics: tuple[str, ...]
    num_trials: int
    counts: Mapping[str, int]
    front: tuple[TrialRow, ...]
    baselines: tuple[TrialRow, ...]
    full: Mapping[str, float]
    hypervolume: float | None
    reference: Mapping[str, float]
    recovered: tuple[TrialRow, ...] = ()


def snapshot_of(study: Study, trials: Sequence[Trial] | None = None) -> Snapshot:
    """Read a study once; not even that if all its `trials` are given."""
    from nas.study.history import (
        baseline_of,
        front_of,
        minimised,
        normalised_hypervolume,
        reference_point,
    )
    from nas.study.recovery import recovered_trials

    trials, objectives = study.trials if trials is None else trials, study.objectives
    recovered = recovered_trials([trial for trial in trials if trial.values is not None], study.recoveries)
    recovered.sort(key=lambda trial: minimised(trial.values or (), objectives))
    full = baseline_of(trials, study.spec)
    reference = reference_point(objectives, full)
    return Snapshot(
        name=study.name,
        objectives=objectives,
        shown_metrics=shown_metrics(study.objectives, study.constraints),
        num_trials=len(trials),
        counts=counts_of(Counter(trial.state.value for trial in trials)),
        front=tuple(front_of(trials, objectives)),
        baselines=tuple(t for t in trials if is_evaluated_baseline(t)),
        full=full,
        hypervolume=normalised_hypervolume(trials, objectives, full),
        reference={} if reference is None else _by_metric(objectives, reference),
        recovered=tuple(recovered),
    )


def is_evaluated_baseline(trial: Trial) -> bool:
    """Whether a trial was evaluated to the end, and no sampler's idea."""
    is_estimate = trial.state.value == PAUSED
    return trial.origin.startswith("baseline:") and trial.values is not None and not is_estimate


def counts_of(states: Mapping[str, int]) -> dict[str, int]:
    """Number of trials by state, in the words of people; open ones together."""
    found: Counter[str] = Counter()
    for state, number in states.items():
        found["open" if state in OPEN else state.lower()] += number
    order = ("done", "paused", "failed", "infeasible", "duplicate", "open")
    return {state: found[state] for state in order if found[state] or state == "done"}


def shown_metrics(objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> tuple[str, ...]:
    """Objectives, then constrained metrics; the share of parameters has a column of its own."""
    budgets = [c.metric for c in constraints if c.metric != "num_parameters"]
    return tuple(dict.fromkeys([*(o.metric for o in objectives), *budgets]))


def _by_metric(objectives: tuple[Objective, ...], reference: list[float]) -> dict[str, float]:
    return {o.metric: o.minimised(corner) for o, corner in zip(objectives, reference, strict=True)}
