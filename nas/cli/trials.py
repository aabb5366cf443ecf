"""`nas trials`: the sub-networks of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.options import (
    DEFAULT_STORAGE,
    JsonOption,
    QuietOption,
    StorageOption,
    StudyArgument,
    WhereOption,
    open_study,
)
from nas.cli.output import Output, note
from nas.cli.records import trial_record
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.cli.snapshot import Snapshot
    from nas.objectives import Constraint
    from nas.study import Trial

app = typer.Typer(name="trials", help="List the sub-networks of a study.", no_args_is_help=True)


@app.command("ls")
def list_trials(
    study: StudyArgument,
    *,
    front: Annotated[bool, typer.Option("--front", help="Only the Pareto front.")] = False,
    where: WhereOption = None,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="METRIC", help="Ascending; -METRIC is descending.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List trials by number, or as told."""
    from nas.cli.snapshot import snapshot_of
    from nas.cli.trial_tables import list_columns, print_trials

    with open_study(study, storage) as opened:
        snapshot = snapshot_of(opened)
        constraints = _constraints(snapshot, where or ())
        chosen = _matching(snapshot.front if front else snapshot.trials, constraints, snapshot)
        shown = _sorted(chosen, sort, snapshot)[:limit]
        out = Output(as_json=as_json, quiet=quiet)
        if as_json:
            out.json([trial_record(trial) for trial in shown])
        elif quiet:
            out.ids([f"{study}@{trial.number}" for trial in shown])
        else:
            named = [*(c.metric for c in constraints), *([sort.removeprefix("-")] if sort else [])]
            print_trials(out, shown, list_columns(snapshot, named))
            note(f"{len(shown)} of {len(snapshot.trials)} trials")


def _metrics(snapshot: Snapshot) -> list[str]:
    return sorted({name for trial in snapshot.trials for name in trial.metrics})


def _constraints(snapshot: Snapshot, where: Sequence[str]) -> tuple[Constraint, ...]:
    from nas.objectives import parse_constraints

    known = _metrics(snapshot)
    constraints = parse_constraints(where, metrics=known)
    for constraint in constraints:
        _require(constraint.metric, known, "--where")
    return constraints


def _matching(trials: Sequence[Trial], constraints: Sequence[Constraint], snapshot: Snapshot) -> list[Trial]:
    """Trials that were measured and hold every constraint."""
    return [
        trial
        for trial in trials
        if all(c.metric in trial.metrics and c.satisfied(trial.metrics, snapshot.full) for c in constraints)
    ]


def _sorted(trials: list[Trial], sort: str | None, snapshot: Snapshot) -> list[Trial]:
    """By a metric; those that lack it come last, in the order of their numbers."""
    if sort is None:
        return trials
    name, sign = sort.removeprefix("-"), -1 if sort.startswith("-") else 1
    _require(name, _metrics(snapshot), "--sort")
    return sorted(trials, key=lambda t: (name not in t.metrics, sign * t.metrics.get(name, 0.0), t.number))


def _require(name: str, known: Sequence[str], option: str) -> None:
    if name not in known:
        raise ConfigError(
            f"{option}: {name!r} was not measured in this study; there is {', '.join(known) or 'nothing'}"
        )
