"""Which weights of a trial are handed over, and what an export tells of their recovery."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

from nas.errors import ConfigError
from nas.study.recovery import Recovery
from nas.study.trial import Trial

WeightSource: TypeAlias = Literal["auto", "supernet", "recovered"]


def recovery_to_export(trial: Trial, source: WeightSource) -> Recovery | None:
    """The recovery whose weights are exported; None exports those that were searched.

    Raises:
        ConfigError: an unknown source, or `recovered` of a trial that was not.
    """
    if source not in get_args(WeightSource):
        raise ConfigError(f"weights is {source!r}; allowed are {', '.join(get_args(WeightSource))}")
    if source == "supernet":
        return None
    recovery = trial.recovered
    if recovery is None and source == "recovered":
        raise ConfigError(
            f"trial {trial.number} was not recovered; recover it first, or export weights of the supernet"
        )
    return recovery


def told(recovery: Recovery, metric: str) -> str:
    """What a model card says."""
    before = recovery.before.get(metric)
    change = f"{metric} {recovery.after[metric]:.6g}"
    change += "" if before is None else f" after it, {before:.6g} before"
    return f"{recovery.summary}; {recovery.passes:,} passes over {recovery.examples:,} examples ({change})"


def recovery_record(recovery: Recovery) -> dict[str, Any]:
    """What programs read: both scores, the cost, and the recipe."""
    return {
        "before": dict(recovery.before),
        "after": dict(recovery.after),
        "passes": recovery.passes,
        "examples": recovery.examples,
        "seconds": recovery.seconds,
        "recipe": dict(recovery.recipe),
        "weights_sha256": recovery.weights_sha256,
    }
