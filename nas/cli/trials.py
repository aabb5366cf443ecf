"""`nas trials`: the sub-networks of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from nas.cli.remote import ServerOption, connected
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.cli.snapshot import Snapshot
    from nas.cli.trial_rows import TrialRow
    from nas.client import RemoteStudy
    from nas.objectives import Constraint
    from nas.study import Study

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
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List trials by number, or as told."""
    wanted = _Wanted(is_front=front, where=tuple(where or ()), sort=sort, limit=limit)
    out = Output(as_json=as_json, quiet=quiet)
    if server is None:
        with open_study(study, storage) as opened:
            _list_here(out, opened, wanted)
    else:
        with connected(server) as client:
            _list_there(out, client.study(study), wanted)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """Which trials, and how many of them."""

    is_front: bool
    where: tuple[str, ...]
    sort: str | None
    limit: int | None

    @property
    def metrics(self) -> list[str]:
        """That are shown besides those of the study: what is asked by."""
        named = [text.split()[0] for text in self.where if text.split()]
        return [*named, *([self.sort.removeprefix("-")] if self.sort else [])]


def _list_here(out: Output, study: Study, wanted: _Wanted) -> None:
    from nas.cli.snapshot import snapshot_of

    trials = study.trials
    snapshot = snapshot_of(study, trials)
    known = sorted({name for trial in trials for name in trial.metrics})
    constraints = _constraints(wanted.where, known)
    candidates = snapshot.front if wanted.is_front else trials
    chosen = _matching(candidates, constraints, snapshot.full)
    _print(out, _sorted(chosen, wanted.sort, known)[: wanted.limit], snapshot, wanted)


def _list_there(out: Output, study: RemoteStudy, wanted: _Wanted) -> None:
    from nas.cli.remote_studies import remote_snapshot

    snapshot = remote_snapshot(study)
    found: Sequence[TrialRow]
    if wanted.is_front:
        front = study.front(wanted.where)
        known = sorted({name for trial in front for name in trial.metrics})
        found = _sorted(front, wanted.sort, known)[: wanted.limit]
    else:
        found = study.trials(wanted.where, sort=wanted.sort, limit=wanted.limit)
    _print(out, found, snapshot, wanted)


def _print(out: Output, shown: Sequence[TrialRow], snapshot: Snapshot, wanted: _Wanted) -> None:
    from nas.cli.trial_tables import list_columns, print_trials

    if out.as_json:
        out.json([trial_record(trial) for trial in shown])
    elif out.quiet:
        out.ids([f"{snapshot.name}@{trial.number}" for trial in shown])
    else:
        print_trials(out, shown, list_columns(snapshot, wanted.metrics))
        note(f"{len(shown)} of {snapshot.num_trials} trials")


def _constraints(where: Sequence[str], known: Sequence[str]) -> tuple[Constraint, ...]:
    from nas.objectives import parse_constraints

    constraints = parse_constraints(where, metrics=known)
    for constraint in constraints:
        _require(constraint.metric, known, "--where")
    return constraints


def _matching(
    trials: Sequence[TrialRow], constraints: Sequence[Constraint], full: Mapping[str, float]
) -> list[TrialRow]:
    """Trials that were measured and hold every constraint."""
    return [
        trial
        for trial in trials
        if all(c.metric in trial.metrics and c.satisfied(trial.metrics, full) for c in constraints)
    ]


def _sorted(trials: Sequence[TrialRow], sort: str | None, known: Sequence[str]) -> Sequence[TrialRow]:
    """By a metric; those that lack it come last, in the order of their numbers."""
    if sort is None:
        return trials
    name, sign = sort.removeprefix("-"), -1 if sort.startswith("-") else 1
    _require(name, known, "--sort")
    return sorted(trials, key=lambda t: (name not in t.metrics, sign * t.metrics.get(name, 0.0), t.number))


def _require(name: str, known: Sequence[str], option: str) -> None:
    if name not in known:
        raise ConfigError(
            f"{option}: {name!r} was not measured in this study; there is {', '.join(known) or 'nothing'}"
        )
