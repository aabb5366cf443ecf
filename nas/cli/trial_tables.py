"""Tables of sub-networks: the front, the baselines, any list of trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nas.cli.figures import figure, is_contended, latency, percent
from nas.cli.output import Column, Output
from nas.cli.snapshot import PAUSED
from nas.objectives import MEASURED_METRICS

if TYPE_CHECKING:
    from nas.cli.snapshot import Snapshot
    from nas.cli.trial_rows import TrialRow

_ARROWS: Final = {"max": "↑", "min": "↓"}
_PAIRED: Final = ("latency_ms", "latency_ratio")
_EXAMPLES: Final = "evaluated_examples"
_UNRECOVERED: Final = "these scores are of the supernet's weights, not trained after pruning"


@dataclass(frozen=True, kw_only=True)
class TrialColumn:
    """A column and how a trial fills it."""

    column: Column
    cell: Callable[[TrialRow], str]


def print_front(out: Output, snapshot: Snapshot) -> None:
    """The front, the baselines below it, and the hypervolume with its reference."""
    columns = [*_architecture(), *_results(snapshot)]
    out.text(f"Pareto front of {snapshot.name}: {_many(len(snapshot.front), 'sub-network')}", style="bold")
    if snapshot.front:
        out.text()
        print_trials(out, snapshot.front, columns)
    if snapshot.baselines:
        out.text()
        out.text("Baselines", style="bold")
        out.text()
        print_trials(out, snapshot.baselines, [*columns, _baseline_column()])
    out.text()
    out.text(hypervolume_line(snapshot))
    _print_recovered(out, snapshot, columns)
    if any(is_contended(trial.metrics) for trial in (*snapshot.front, *snapshot.baselines)):
        out.text("* measured while other work took the processor: less certain", style="dim")
    if any(not trial.is_feasible for trial in snapshot.baselines):
        out.text("† over a budget of the study", style="dim")


def _print_recovered(out: Output, snapshot: Snapshot, columns: Sequence[TrialColumn]) -> None:
    """Say that the scores above are of weights as they were cut, and show those of recovered ones."""
    if not snapshot.recovered:
        if snapshot.front:
            out.text(f"{_UNRECOVERED}; `nas recover {snapshot.name}` trains the best and ranks them anew")
        return
    out.text(f"{_UNRECOVERED}.")
    out.text()
    out.text("Recovered: scores after a short training", style="bold")
    out.text()
    print_trials(out, snapshot.recovered, columns)


def print_trials(out: Output, trials: Sequence[TrialRow], columns: Sequence[TrialColumn]) -> None:
    """One row a trial; those of which there are only estimates are grey."""
    rows = [[column.cell(trial) for column in columns] for trial in trials]
    paused = {index for index, trial in enumerate(trials) if trial.state == PAUSED}
    out.table([column.column for column in columns], rows, grey=paused)


def list_columns(snapshot: Snapshot, extra: Sequence[str] = ()) -> list[TrialColumn]:
    """Columns of a list of any trials, with `extra` metrics besides those of the study."""
    more = [
        metric_column(name, snapshot) for name in dict.fromkeys(extra) if name not in snapshot.shown_metrics
    ]
    num_examples = snapshot.full.get(_EXAMPLES)
    state = _column("state", lambda t: state_cell(t, num_examples=num_examples), is_text=True)
    return [*_architecture(), *_results(snapshot), *more, state]


def metric_column(name: str, snapshot: Snapshot) -> TrialColumn:
    """A metric, with an arrow to where it should go if it is an objective."""
    arrows = {o.metric: f" {_ARROWS[o.direction]}" for o in snapshot.objectives}
    return _column(f"{name}{arrows.get(name, '')}", lambda t: metric_cell(name, t.metrics))


def metric_cell(name: str, metrics: Mapping[str, float]) -> str:
    """A metric with its interval if it has one; empty if it was not measured."""
    if name not in metrics:
        return ""
    if name in MEASURED_METRICS:
        return latency(metrics, name) if name in _PAIRED else figure(name, metrics[name])
    return figure(name, metrics[name])


def state_cell(trial: TrialRow, *, num_examples: float | None) -> str:
    """How a trial ended and why, and which part of the design it is unless the sampler proposed it.

    A paused one tells on how many of all `num_examples` its estimates rest, as far as these are known.
    """
    origin = "" if trial.origin == "sampler" else f" ({_part(trial)})"
    reason = f": {trial.reason}" if trial.reason else ""
    return f"{trial.state.lower()}{_progress(trial, num_examples)}{origin}{reason}"


def _progress(trial: TrialRow, num_examples: float | None) -> str:
    if trial.state != PAUSED or _EXAMPLES not in trial.metrics:
        return ""
    whole = "" if num_examples is None else f" of {num_examples:.0f}"
    return f" at {trial.metrics[_EXAMPLES]:.0f}{whole} examples"


def hypervolume_line(snapshot: Snapshot) -> str:
    """The hypervolume and what it is relative to."""
    if snapshot.hypervolume is None:
        return "hypervolume: not known before the full model is measured"
    corner = ", ".join(f"{name} {figure(name, value)}" for name, value in snapshot.reference.items())
    return f"hypervolume {snapshot.hypervolume:.4f} of the box from {corner} to the ideal"


def _architecture() -> list[TrialColumn]:
    return [
        _column("trial", lambda t: str(t.number)),
        _column("layers", lambda t: t.sizes.layers),
        _column("heads", lambda t: t.sizes.heads),
        _column("FFN", lambda t: t.sizes.ffn),
        _column("hidden", lambda t: t.sizes.hidden),
    ]


def _results(snapshot: Snapshot) -> list[TrialColumn]:
    whole = snapshot.full.get("num_parameters", 0.0)
    return [
        *(metric_column(name, snapshot) for name in snapshot.shown_metrics),
        _column("params", lambda t: percent(t.metrics["num_parameters"], whole)),
    ]


def _baseline_column() -> TrialColumn:
    def cell(trial: TrialRow) -> str:
        return _part(trial) if trial.is_feasible else f"{_part(trial)} †"

    return _column("baseline", cell, is_text=True)


def _part(trial: TrialRow) -> str:
    return trial.origin.rpartition(":")[2].replace("_", " ").removesuffix(" ladder")


def _column(title: str, cell: Callable[[TrialRow], str], *, is_text: bool = False) -> TrialColumn:
    return TrialColumn(column=Column(title=title, align="left" if is_text else "right"), cell=cell)


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
