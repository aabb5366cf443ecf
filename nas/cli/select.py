"""`nas select`: the best sub-network under budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.cli.figures import figure, percent
from nas.cli.options import (
    DEFAULT_STORAGE,
    JsonOption,
    QuietOption,
    StorageOption,
    StudyArgument,
    WhereOption,
    command,
    open_study,
)
from nas.cli.output import Column, Output, note_commands
from nas.cli.records import infeasible_record, trial_record
from nas.errors import InfeasibleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nas.study import Trial

#: Facts that accompany a latency; they are shown with it.
_ACCOMPANYING = ("latency_ratio_low", "latency_ratio_high", "latency_is_quiet")


def select(
    study: StudyArgument,
    *,
    where: WhereOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Print the trial that is best in the first objective and holds all budgets."""
    out = Output(as_json=as_json, quiet=quiet)
    with open_study(study, storage) as opened:
        try:
            best = opened.best(where or ())
        except InfeasibleError as error:
            if as_json:
                out.json(infeasible_record(error))
            raise
        if as_json:
            out.json(trial_record(best))
        elif quiet:
            out.ids([f"{study}@{best.number}"])
        else:
            print_trial(out, best, opened.baseline)
            words = ("export", f"{study}@{best.number}", "-o", f"{study}-{best.number}")
            note_commands([command(*words, storage=storage)])


def print_trial(out: Output, trial: Trial, full: Mapping[str, float]) -> None:
    """A trial beside the full model."""
    from nas.cli.trial_tables import metric_cell

    out.text(f"Trial {trial.number} of {trial.study.name}: {trial.architecture}", style="bold")
    out.text()
    names = [name for name in trial.metrics if name not in _ACCOMPANYING]
    first = [objective.metric for objective in trial.study.objectives]
    rows = [
        [
            name,
            metric_cell(name, trial.metrics),
            figure(name, full[name]) if name in full else "",
            percent(trial.metrics[name], full[name]) if name in full else "",
        ]
        for name in sorted(names, key=lambda name: (name not in first, name))
    ]
    titles = ("this trial", "full model", "share")
    out.table([Column(title="metric", align="left"), *(Column(title=title) for title in titles)], rows)
    out.text()
    loads = "with the stock class" if trial.portability == "plain" else "with trust_remote_code=True"
    out.text(f"An export loads {loads}.")
