"""`nas compare`: sub-networks of a study side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nas.cli.options import DEFAULT_STORAGE, JsonOption, QuietOption, StorageOption, StudyArgument
from nas.cli.output import Column, Output
from nas.cli.records import trial_record
from nas.cli.remote import ServerOption
from nas.cli.study_source import StudySource, opened_source
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.cli.trial_rows import TrialRow
    from nas.objectives import Objective

MOST_TRIALS: Final = 8
_FULL: Final = "baseline:full"
_UNIFORM: Final = "baseline:uniform_ladder"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Trials, and what they are compared with.

    Attributes:
        uniform: by a trial's number, the uniformly pruned baseline that is nearest to it in cost.
    """

    trials: tuple[TrialRow, ...]
    full: TrialRow | None
    uniform: dict[int, TrialRow]

    @property
    def columns(self) -> list[tuple[str, TrialRow]]:
        """Every sub-network once, with the title of its column."""
        chosen = {trial.number for trial in self.trials}
        found = [(f"trial {trial.number}", trial) for trial in self.trials]
        if self.full is not None and self.full.number not in chosen:
            found.append(("full model", self.full))
        others = {one.number: one for one in self.uniform.values() if one.number not in chosen}
        return [*found, *((f"uniform {number}", one) for number, one in sorted(others.items()))]

    def to_json(self, study: str) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "study": study,
            "trials": [trial_record(trial) for trial in self.trials],
            "full_model": None if self.full is None else trial_record(self.full),
            "uniform": {str(number): trial_record(trial) for number, trial in self.uniform.items()},
        }


def compare(
    study: StudyArgument,
    trials: Annotated[
        list[int], typer.Argument(metavar="TRIAL...", help="Numbers of trials.", show_default=False)
    ],
    *,
    baselines: Annotated[
        bool,
        typer.Option("--baselines", help="With the full model and the nearest uniformly pruned ones."),
    ] = False,
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show sub-networks side by side: sizes, costs and quality."""
    numbers = _checked(trials, has_baselines=baselines)
    with opened_source(study, storage, server) as source:
        found = compared(source, numbers, has_baselines=baselines)
        out = Output(as_json=as_json, quiet=quiet)
        if as_json:
            out.json(found.to_json(source.name))
        elif quiet:
            out.ids([f"{source.name}@{trial.number}" for _, trial in found.columns])
        else:
            _print(out, found, source)


def compared(source: StudySource, numbers: Sequence[int], *, has_baselines: bool) -> Comparison:
    """Trials of a study, with their baselines if wanted.

    Raises:
        ConfigError: the study has no such trial.
    """
    trials = tuple(source.trial(number) for number in numbers)
    if not has_baselines:
        return Comparison(trials=trials, full=None, uniform={})
    known = source.baselines
    ladder = [one for one in known if one.origin == _UNIFORM]
    cost = cost_of(source.objectives)
    nearest = {trial.number: _nearest(trial, ladder, cost) for trial in trials}
    return Comparison(
        trials=trials,
        full=next((one for one in known if one.origin == _FULL), None),
        uniform={number: one for number, one in nearest.items() if one is not None},
    )


def cost_of(objectives: Sequence[Objective]) -> str:
    """The metric that equal cost refers to: the first objective that is a cost, else the parameters."""
    from nas.objectives import EXACT_METRICS, MEASURED_METRICS

    named = (one.metric for one in objectives if one.direction == "min")
    costs = {**EXACT_METRICS, **MEASURED_METRICS}
    return next((metric for metric in named if metric in costs), "num_parameters")


def _nearest(trial: TrialRow, ladder: Sequence[TrialRow], cost: str) -> TrialRow | None:
    if cost not in trial.metrics:
        return None
    priced = [one for one in ladder if cost in one.metrics]
    return min(priced, key=lambda one: abs(one.metrics[cost] - trial.metrics[cost]), default=None)


def _checked(numbers: Sequence[int], *, has_baselines: bool) -> list[int]:
    distinct = list(dict.fromkeys(numbers))
    least = 1 if has_baselines else 2
    if not least <= len(distinct) <= MOST_TRIALS:
        hint = "" if has_baselines else ", or one with --baselines"
        raise ConfigError(
            f"compare: got {len(distinct)} trials; name {least} to {MOST_TRIALS} different ones{hint}"
        )
    return distinct


def _print(out: Output, found: Comparison, source: StudySource) -> None:
    from nas.cli.trial_tables import metric_cell

    columns = found.columns
    first = [objective.metric for objective in source.objectives]
    names = sorted({name for _, trial in columns for name in trial.metrics})
    names.sort(key=lambda name: name not in first)
    sizes = {
        title: [getattr(trial.sizes, key) for _, trial in columns]
        for title, key in (("layers", "layers"), ("heads", "heads"), ("FFN", "ffn"), ("hidden", "hidden"))
    }
    facts = {
        "state": [trial.state.lower() for _, trial in columns],
        "portability": [trial.portability for _, trial in columns],
        "holds the budgets": ["yes" if trial.is_feasible else "no" for _, trial in columns],
    }
    metrics = {name: [metric_cell(name, trial.metrics) for _, trial in columns] for name in names}
    rows = [[title, *cells] for title, cells in {**sizes, **metrics, **facts}.items()]
    out.table([Column(title="", align="left"), *(Column(title=title) for title, _ in columns)], rows)
