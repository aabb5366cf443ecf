"""Tables of sub-networks: sizes, costs, measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nas.figures import figure, is_contended, latency, percent
from nas.objectives import MEASURED_METRICS
from nas.report.document import Heading, Table
from nas.study.report.reading import Reading
from nas.study.trial import Trial

_ARROWS: Final = {"max": "↑", "min": "↓"}
_PAIRED: Final = ("latency_ms", "latency_ratio")


@dataclass(frozen=True, kw_only=True)
class TrialColumn:
    """A column and how a trial fills it."""

    heading: Heading
    cell: Callable[[Trial], str]


def trial_table(caption: str, trials: Sequence[Trial], columns: Sequence[TrialColumn]) -> Table:
    """One row a trial."""
    return Table(
        caption=caption,
        headings=tuple(column.heading for column in columns),
        rows=tuple(tuple(column.cell(trial) for column in columns) for trial in trials),
    )


def size_columns() -> list[TrialColumn]:
    """Number, layers, heads, FFN width and embedding dimension."""
    return [
        text_column("Trial", lambda t: str(t.number)),
        number_column("Layers", lambda t: t.sizes.layers),
        number_column("Heads", lambda t: t.sizes.heads),
        number_column("FFN", lambda t: t.sizes.ffn),
        number_column("Hidden", lambda t: t.sizes.hidden),
    ]


def metric_columns(reading: Reading) -> list[TrialColumn]:
    """Objectives, metrics under a budget, and the share of parameters."""
    names = [*(o.metric for o in reading.objectives), *(c.metric for c in reading.spec.constraints)]
    arrows = {o.metric: f" {_ARROWS[o.direction]}" for o in reading.objectives}
    whole = reading.full["num_parameters"]
    return [
        *(_metric_column(name, f"{name}{arrows.get(name, '')}") for name in dict.fromkeys(names)),
        number_column("Parameters", lambda t: percent(t.metrics["num_parameters"], whole)),
    ]


def latency_column() -> TrialColumn:
    """Whether other work disturbed the measurement of latency."""

    def cell(trial: Trial) -> str:
        if "latency_is_quiet" not in trial.metrics:
            return "not measured"
        return "contended" if is_contended(trial.metrics) else "quiet"

    return text_column("Latency measured", cell)


def metric_cell(trial: Trial, name: str) -> str:
    """A metric with its interval if it has one; empty if it was not measured."""
    if name not in trial.metrics:
        return ""
    if name in MEASURED_METRICS and name in _PAIRED:
        return latency(trial.metrics, name)
    return figure(name, trial.metrics[name])


def origin_of(trial: Trial) -> str:
    """Who asked for a sub-network, in words."""
    return trial.origin.rpartition(":")[2].replace("_", " ")


def text_column(title: str, cell: Callable[[Trial], str]) -> TrialColumn:
    """A column of words."""
    return TrialColumn(heading=Heading(title=title, is_number=False), cell=cell)


def number_column(title: str, cell: Callable[[Trial], str]) -> TrialColumn:
    """A column of numbers."""
    return TrialColumn(heading=Heading(title=title), cell=cell)


def _metric_column(name: str, title: str) -> TrialColumn:
    return number_column(title, lambda trial: metric_cell(trial, name))
