"""A study as one read of its database shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.objectives import Objective
    from nas.study import Study, Trial

PAUSED = "PAUSED"
_OPEN = ("PROPOSED", "RUNNING")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the tables show.

    Attributes:
        trials: all, by number.
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
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    baselines: tuple[Trial, ...]
    full: Mapping[str, float]
    hypervolume: float | None
    reference: Mapping[str, float]
    recovered: tuple[Trial, ...] = ()

    def counts(self) -> dict[str, int]:
        """Number of trials by state, in the words of people; open ones together."""
        found = Counter("open" if t.state.value in _OPEN else t.state.value.lower() for t in self.trials)
        order = ("done", "paused", "failed", "infeasible", "duplicate", "open")
        return {state: found[state] for state in order if found[state] or state == "done"}


def snapshot_of(study: Study) -> Snapshot:
    """Read a study once."""
    from nas.study.history import (
        baseline_of,
        front_of,
        minimised,
        normalised_hypervolume,
        reference_point,
    )
    from nas.study.recovery import recovered_trials

    trials, objectives = study.trials, study.objectives
    recovered = recovered_trials([trial for trial in trials if trial.values is not None], study.recoveries)
    full = baseline_of(trials, study.spec)
    reference = reference_point(objectives, full)
    return Snapshot(
        name=study.name,
        objectives=objectives,
        shown_metrics=_shown_metrics(study),
        trials=tuple(trials),
        front=tuple(front_of(trials, objectives)),
        baselines=tuple(t for t in trials if _is_evaluated_baseline(t)),
        full=full,
        hypervolume=normalised_hypervolume(trials, objectives, full),
        reference={} if reference is None else _by_metric(objectives, reference),
        recovered=tuple(sorted(recovered, key=lambda t: minimised(t.values or (), objectives))),
    )


def _is_evaluated_baseline(trial: Trial) -> bool:
    is_estimate = trial.state.value == PAUSED
    return trial.origin.startswith("baseline:") and trial.values is not None and not is_estimate


def _shown_metrics(study: Study) -> tuple[str, ...]:
    """Objectives, then constrained metrics; the share of parameters has a column of its own."""
    budgets = [c.metric for c in study.constraints if c.metric != "num_parameters"]
    return tuple(dict.fromkeys([*(o.metric for o in study.objectives), *budgets]))


def _by_metric(objectives: tuple[Objective, ...], reference: list[float]) -> dict[str, float]:
    return {o.metric: o.minimised(corner) for o, corner in zip(objectives, reference, strict=True)}
