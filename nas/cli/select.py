"""`nas select`: the best sub-network under budgets, or under each of a series of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from nas.cli.figures import figure, percent
from nas.cli.options import (
    DEFAULT_STORAGE,
    JsonOption,
    QuietOption,
    StorageOption,
    StudyArgument,
    WhereOption,
)
from nas.cli.output import Column, Output, note_commands
from nas.cli.records import infeasible_record, trial_record
from nas.cli.remote import ServerOption
from nas.cli.study_source import StudySource, line_of, opened_source
from nas.cli.sweep import print_sweep
from nas.errors import InfeasibleError

if TYPE_CHECKING:
    from nas.cli.trial_rows import TrialRow

#: Facts that accompany a latency; they are shown with it.
_ACCOMPANYING = ("latency_ratio_low", "latency_ratio_high", "latency_is_quiet")

SweepOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--sweep",
        metavar="METRIC=FIRST:LAST:STEP",
        help='The best under each of a series of budgets, such as "latency_ms=2:10:1".',
        show_default=False,
    ),
]


def select(
    study: StudyArgument,
    *,
    where: WhereOption = None,
    sweep: SweepOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Print the trial that is best in the first objective and holds all budgets."""
    out = Output(as_json=as_json, quiet=quiet)
    with opened_source(study, storage, server) as source:
        if sweep is not None:
            print_sweep(out, source, sweep, where or ())
            return
        best = _best(out, source, where or ())
        name = f"{source.name}@{best.number}"
        if as_json:
            out.json(trial_record(best))
        elif quiet:
            out.ids([name])
        else:
            print_trial(out, best, source)
            note_commands([line_of(storage, server)("export", name, "-o", f"{study}-{best.number}")])


def print_trial(out: Output, trial: TrialRow, source: StudySource) -> None:
    """A trial of a study beside its full model."""
    from nas.cli.trial_tables import metric_cell

    out.text(f"Trial {trial.number} of {source.name}: {trial.architecture}", style="bold")
    out.text()
    full, objectives = source.full, [objective.metric for objective in source.objectives]
    names = [name for name in trial.metrics if name not in _ACCOMPANYING]
    rows = [
        [
            name,
            metric_cell(name, trial.metrics),
            figure(name, full[name]) if name in full else "",
            percent(trial.metrics[name], full[name]) if name in full else "",
        ]
        for name in sorted(names, key=lambda name: (name not in objectives, name))
    ]
    titles = ("this trial", "full model", "share")
    out.table([Column(title="metric", align="left"), *(Column(title=title) for title in titles)], rows)
    out.text()
    loads = "with the stock class" if trial.portability == "plain" else "with trust_remote_code=True"
    out.text(f"An export loads {loads}.")


def _best(out: Output, source: StudySource, where: Sequence[str]) -> TrialRow:
    """The best under budgets; where there is none, the reason as JSON if that was asked for."""
    try:
        return source.best(where)
    except InfeasibleError as error:
        if out.as_json:
            out.json(infeasible_record(error))
        raise
