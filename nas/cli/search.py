"""`nas search`: run a search, list studies, show one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.config import checked_config
from nas.cli.errors import resumable
from nas.cli.options import (
    DEFAULT_STORAGE,
    ConfigArgument,
    JsonOption,
    QuietOption,
    SetOption,
    StorageOption,
    StudyArgument,
    command,
    open_study,
    require_database,
    sqlite_path,
)
from nas.cli.output import Column, Output, note, note_commands
from nas.cli.records import front_record, study_record

if TYPE_CHECKING:
    from nas.cli.snapshot import Snapshot
    from nas.config import SearchConfig
    from nas.jobs import StudySummary
    from nas.study import Study

app = typer.Typer(name="search", help="Run searches, and look at their studies.", no_args_is_help=True)


@app.command("run")
def run(
    config: ConfigArgument,
    *,
    overrides: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only profile the space: what the search may reach.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run the search of a config, or take it up where it was; Ctrl-C loses nothing."""
    out = Output(as_json=as_json, quiet=quiet)
    checked = checked_config(config, overrides or ())
    if dry_run:
        from nas.cli.space import print_profile

        print_profile(out, checked)
        return
    with resumable(_command_line(config, overrides or ())):
        study = _searched(checked, show_progress=not quiet)
    with study:
        _print_outcome(out, study, checked)


@app.command("ls")
def list_studies(
    *, storage: StorageOption = DEFAULT_STORAGE, as_json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """List the studies of a database."""
    require_database(storage)
    from nas import jobs

    found = jobs.list_studies(storage)
    out = Output(as_json=as_json, quiet=quiet)
    if as_json:
        keys = ("name", "state", "num_done", "num_trials", "objectives", "created_at")
        out.json([{key: getattr(study, key) for key in keys} for study in found])
    elif quiet:
        out.ids([study.name for study in found])
    else:
        _print_studies(out, found)


@app.command("show")
def show(
    study: StudyArgument,
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show a study: what defines it, where it stands, its front and its last events."""
    from nas.cli.events import event_record, last_events
    from nas.cli.snapshot import snapshot_of

    out = Output(as_json=as_json, quiet=quiet)
    with open_study(study, storage) as opened:
        snapshot = snapshot_of(opened)
        if quiet:
            out.ids([f"{study}@{trial.number}" for trial in snapshot.front])
            return
        events = last_events(study, storage)
        if as_json:
            out.json({**study_record(opened, snapshot), "events": [event_record(event) for event in events]})
            return
        from nas.cli.study_view import print_study

        print_study(out, opened, snapshot, events)


def _print_studies(out: Output, studies: Sequence[StudySummary]) -> None:
    titles = ("study", "state", "done", "trials", "objectives", "created")
    numbers = ("done", "trials")
    columns = [Column(title=t, align="right" if t in numbers else "left") for t in titles]
    rows = [
        [
            study.name,
            str(study.state).lower(),
            str(study.num_done),
            str(study.num_trials),
            ", ".join(study.objectives),
            f"{study.created_at:%Y-%m-%d %H:%M}",
        ]
        for study in studies
    ]
    out.table(columns, rows)


def _searched(config: SearchConfig, *, show_progress: bool) -> Study:
    """Run the search; say so if it goes on from an earlier run."""
    from nas import jobs

    _say_if_resumed(config)
    return jobs.run_search(config, show_progress=show_progress)


def _say_if_resumed(config: SearchConfig) -> None:
    from nas import jobs

    path = sqlite_path(config.storage.url)
    if path is not None and not path.exists():
        return
    for study in jobs.list_studies(config.storage.url):
        if study.name == config.name:
            note(f"study {study.name} exists and is resumed: {study.num_done} of {config.search.trials} done")


def _print_outcome(out: Output, study: Study, config: SearchConfig) -> None:
    from nas.cli.snapshot import snapshot_of
    from nas.cli.trial_tables import print_front

    snapshot = snapshot_of(study)
    if out.as_json:
        out.json(front_record(snapshot))
    elif out.quiet:
        out.ids([f"{study.name}@{trial.number}" for trial in snapshot.front])
    else:
        print_front(out, snapshot)
        say_next(snapshot, config.storage.url, config.storage.artifacts, formats=config.export.formats)


def say_next(
    snapshot: Snapshot, storage: str, artifacts: str | Path, *, formats: Sequence[str] = ("hf",)
) -> None:
    """The commands that follow a search, ready to be copied."""
    if not snapshot.front:
        note("no evaluated sub-network holds the budgets; relax them, or search longer", label="warning")
        return
    name, best = snapshot.name, snapshot.front[0]
    commands = []
    if len(snapshot.objectives) > 1 and snapshot.objectives[1].direction == "min":
        metric = snapshot.objectives[1].metric
        middle = snapshot.front[len(snapshot.front) // 2].metrics[metric]
        budget = f"{metric} <= {_rounded_up(middle):.15g}"
        commands.append(command("select", name, "--where", budget, storage=storage))
    words = ["export", f"{name}@{best.number}", "-o", f"{name}-{best.number}"]
    if tuple(formats) != ("hf",):
        words += ["--format", ",".join(formats)]
    commands.append(command(*words, storage=storage, artifacts=artifacts))
    note_commands(commands)


def _rounded_up(value: float) -> float:
    """The next number with two significant digits."""
    if value <= 0:
        return value
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / step) * step


def _command_line(config: Path, overrides: Sequence[str]) -> list[str]:
    sets = [word for override in overrides for word in ("--set", override)]
    return ["nas", "search", "run", str(config), *sets]
