"""Recovered sub-networks as users see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nas.errors import ConfigError
from nas.objectives import Objective
from nas.study.recovery_display import recovery_html, report_html
from nas.study.spec import StudySpec
from nas.study.trial import Trial
from search_spaces import SubnetConfig
from storage import RecoveryKind, RecoveryRecord

if TYPE_CHECKING:
    import torch

    from nas.study.stored_study import StoredStudy


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A sub-network that was trained after the search, or a baseline trained at the same cost.

    Attributes:
        trial: number of the finalist; of a baseline, the finalist that it stands beside.
        kind: `recovered`, `random` (another sub-network of about the size) or `scratch` (the same one from
            random weights).
        before: what the study's evaluator measured before the training; empty for `scratch`.
        after: the same after it.
        costs: exact ones of the sub-network.
        recipe: everything that decided the weights.
        summary: the recipe in a few words.
        passes: forward/backward passes of the training.
        examples: seen in it, once a pass.
        seconds: wall time of the call that finished it.
        weights_file: those that differ from the supernet's.
    """

    trial: int
    kind: RecoveryKind
    key: str
    config: SubnetConfig
    before: Mapping[str, float]
    after: Mapping[str, float]
    costs: Mapping[str, float]
    recipe: Mapping[str, Any]
    recipe_sha256: str
    summary: str
    passes: int
    examples: int
    seconds: float
    weights_file: Path
    weights_sha256: str
    created_at: datetime | None

    def _repr_html_(self) -> str:
        return recovery_html(self)

    def weights(self) -> dict[str, torch.Tensor]:
        """What `Supernet.active` and `Supernet.extract` take as `weights`.

        Raises:
            StorageError: the file is missing or damaged.
        """
        from nas.recovery import load_weights

        return load_weights(self.weights_file, self.weights_sha256)


@dataclass(frozen=True, kw_only=True)
class RecoveryReport:
    """What a recovery of finalists came to.

    Attributes:
        metric: what finalists are ranked by.
        direction: whether a larger (`max`) or a smaller (`min`) one is better.
        recovered: finalists, the best after recovery first.
        baselines: trained at the same cost, in the order of `recovered`.
        kendall_tau: Kendall's tau-b between the metric before and after, over the finalists; None with fewer
            than three, or where all are equal.
        num_reused: how many of all were known from an earlier call.
    """

    study: str
    metric: str
    direction: str
    recovered: tuple[Recovery, ...]
    baselines: tuple[Recovery, ...]
    kendall_tau: float | None
    num_reused: int

    def _repr_html_(self) -> str:
        return report_html(self)

    @property
    def passes(self) -> int:
        """Forward/backward passes of all, those of earlier calls included."""
        return sum(one.passes for one in (*self.recovered, *self.baselines))

    @property
    def seconds(self) -> float:
        """Wall time of all, that of earlier calls included."""
        return sum(one.seconds for one in (*self.recovered, *self.baselines))


def weights_folder(study: StoredStudy) -> Path:
    """Where the weights of a study's recovered sub-networks lie; a name is kept from leaving the folder."""
    return study.artifacts / quote(study.name, safe=" ") / "recovered"


def recovery_of(study: StoredStudy, record: RecoveryRecord) -> Recovery:
    """A ledger row as users see it."""
    config = SubnetConfig.from_json(record.config)
    return Recovery(
        trial=record.trial,
        kind=record.kind,
        key=record.key,
        config=config,
        before=record.metrics_before,
        after=record.metrics_after,
        costs=study.spec.costs(config),
        recipe=record.recipe,
        recipe_sha256=record.recipe_sha256,
        summary=str(record.recipe.get("summary", "")),
        passes=record.passes,
        examples=record.examples,
        seconds=record.seconds,
        weights_file=weights_folder(study) / record.weights_file,
        weights_sha256=record.weights_sha256,
        created_at=record.created_at,
    )


def ranked_by(spec: StudySpec) -> Objective:
    """The first measured quality that the study is about, which recovered sub-networks are ranked by.

    Raises:
        ConfigError: it names none.
    """
    quality = spec.quality_metrics
    for objective in spec.objectives:
        if objective.metric in quality:
            return objective
    for constraint in spec.constraints:
        if constraint.metric in quality:
            direction = "max" if constraint.relation == ">=" else "min"
            return Objective.parse(f"{direction} {constraint.metric}", metrics=(constraint.metric,))
    raise ConfigError(
        "recovered sub-networks are ranked by quality, but the study names costs only: "
        f"{', '.join(str(objective) for objective in spec.objectives)}"
    )


def best_first(recoveries: Sequence[Recovery], objective: Objective) -> list[Recovery]:
    """By the metric after recovery; of equals the smaller sub-network first."""
    return sorted(
        recoveries,
        key=lambda one: (
            objective.minimised(one.after[objective.metric]),
            one.costs["num_parameters"],
            one.trial,
        ),
    )


def best_recovery(study: StoredStudy, recoveries: Sequence[Recovery], key: str) -> Recovery | None:
    """The best recovery of a sub-network, None if there was none."""
    own = [one for one in recoveries if one.kind == "recovered" and one.key == key]
    return best_first(own, ranked_by(study.spec))[0] if own else None


def as_recovered(trial: Trial, recovery: Recovery) -> Trial:
    """A trial with the scores of its recovered weights."""
    spec = trial.study.spec
    metrics = {**trial.metrics, **recovery.after}
    held = [c for c in spec.constraints if str(c) in trial.violations]
    return replace(
        trial,
        metrics=metrics,
        values=tuple(metrics[objective.metric] for objective in spec.objectives),
        violations=spec.violations(metrics, trial.study.baseline, held),
    )


def recovered_trials(trials: Sequence[Trial], recoveries: Sequence[Recovery]) -> list[Trial]:
    """Those that were recovered, with the scores of their best recovery."""
    best = ((trial, best_recovery(trial.study, recoveries, trial.key)) for trial in trials)
    return [as_recovered(trial, recovery) for trial, recovery in best if recovery is not None]
