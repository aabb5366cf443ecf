"""Sub-networks side by side: what each metric differs by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from nas.service.web.environment import metric_title
from nas.service.web.trial_rows import written
from nas.study import Trial

#: They describe a measurement, not the sub-network.
_INNER: Final = ("latency_ratio_low", "latency_ratio_high", "latency_is_quiet", "latency_cpu_share")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A metric of several trials.

    Attributes:
        cells: of each trial its value, and for all but the first a difference.
    """

    title: str
    cells: tuple[tuple[str, str], ...]


def metric_names(trials: Sequence[Trial], first: Sequence[str]) -> list[str]:
    """Metrics that any of the trials has, some of them first, none that only describes a measurement."""
    found = dict.fromkeys([*first, *sorted({name for trial in trials for name in trial.metrics})])
    return [name for name in found if name not in _INNER and any(name in t.metrics for t in trials)]


def differences(
    trials: Sequence[Trial], names: Sequence[str], *, reference: Literal["first", "other"] = "first"
) -> list[Difference]:
    """Metrics of trials: how far the others are from the first, or the first from each other one.

    Args:
        trials: the first is compared with each other one.
        names: of the metrics.
        reference: what a difference is a share of.
    """
    pairs = [(trial, (trials[0], trial) if reference == "first" else (trial, trials[0])) for trial in trials]
    return [
        Difference(
            title=metric_title(name),
            cells=tuple((written(trial, name), _change(*pair, name)) for trial, pair in pairs),
        )
        for name in names
    ]


def _change(base: Trial, other: Trial, name: str) -> str:
    """How far a trial is from a base."""
    own, known = other.metrics.get(name), base.metrics.get(name)
    if other is base or own is None or known is None:
        return ""
    if own == known:
        return "equal"
    return f"{own - known:+.3g}" if known == 0 else f"{100 * (own - known) / abs(known):+.1f} %"
