"""`nas search`: run a search here or in the background, list studies, show one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli import search_jobs, search_list
from nas.cli.config import checked_config
from nas.cli.errors import resumable
from nas.cli.options import (
    DEFAULT_STORAGE,
    ConfigArgument,
    JsonOption,
    QuietOption,
    SetOption,
    StorageOption,
    open_study,
    sqlite_path,
)
from nas.cli.output import Output, note
from nas.cli.records import study_record
from nas.cli.remote import ServerOption
from nas.cli.search_outcome import print_outcome
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.config import SearchConfig
    from nas.study import Study
    from nas.study.control import Control

app = typer.Typer(
    name="search",
    help="Run searches, follow and steer them, and look at their studies.",
    no_args_is_help=True,
)


@app.command("run")
def run(
    config: ConfigArgument,
    *,
    overrides: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only profile the space: what the search may reach.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run it in the background; print the number of its job.")
    ] = False,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run the search of a config, or take it up where it was; Ctrl-C and SIGTERM lose nothing."""
    out = Output(as_json=as_json, quiet=quiet)
    if dry_run and detach:
        raise ConfigError("--dry-run only prints a profile, there is nothing to detach; give one of the two")
    if server is not None:
        _run_there(out, config, overrides or (), server, is_profiled=dry_run, is_detached=detach)
        return
    checked = checked_config(config, overrides or ())
    if dry_run:
        from nas.cli.space import print_profile

        print_profile(out, checked)
    elif detach:
        search_jobs.detach(out, checked)
    else:
        _run_here(out, checked, _command_line(config, overrides or ()))


@app.command("show")
def show(
    study: Annotated[str, typer.Argument(metavar="STUDY|ID", help="Name of a study, or number of a job.")],
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show a study: what defines it, where it stands, its front and its last events."""
    out = Output(as_json=as_json, quiet=quiet)
    if server is not None:
        from nas.cli.remote_search import show_there

        show_there(out, study, server)
        return
    from nas.cli.events import event_record, last_events
    from nas.cli.snapshot import snapshot_of

    with open_study(search_list.study_of(study, storage), storage) as opened:
        snapshot = snapshot_of(opened)
        if quiet:
            out.ids([f"{opened.name}@{trial.number}" for trial in snapshot.front])
            return
        events = last_events(opened.name, storage)
        if as_json:
            out.json({**study_record(opened, snapshot), "events": [event_record(event) for event in events]})
            return
        from nas.cli.study_view import print_study, study_facts

        print_study(out, study_facts(opened, snapshot), snapshot, events)


app.command("ls")(search_list.list_studies)
app.command("logs")(search_jobs.logs)
app.command("wait")(search_jobs.wait)
app.command("pause", help="Ask a job to pause: what is in flight ends first, and `resume` goes on.")(
    search_jobs.ordering("pause")
)
app.command("resume")(search_jobs.resume)
app.command("stop", help="Ask a job to end for good: what is in flight ends first, and all results stay.")(
    search_jobs.ordering("stop")
)
app.command("edit")(search_jobs.edit)


def _run_there(
    out: Output,
    config: Path,
    overrides: Sequence[str],
    server: str,
    *,
    is_profiled: bool,
    is_detached: bool,
) -> None:
    from nas.cli import remote_search
    from nas.cli.space import profile_there

    if is_profiled:
        profile_there(out, config, overrides, server)
    else:
        remote_search.run_there(out, config, overrides, server, is_detached=is_detached)


def _run_here(out: Output, config: SearchConfig, command: Sequence[str]) -> None:
    """Run the search in this process; after SIGTERM, end it in good order and say how to go on."""
    from nas.jobs.interruption import HaltedError
    from nas.study.draining import sigterm_pauses

    study, halt = None, "paused by SIGTERM"
    with resumable(command), sigterm_pauses() as control:
        try:
            study = _searched(config, control, show_progress=not out.quiet)
        except HaltedError as error:
            halt = str(error)
    if study is not None:
        with study:
            print_outcome(out, study, config)
    if study is None or (control is not None and control().halt is not None):
        note(f"{halt}; everything is saved. Resume with: {shlex.join(command)}")


def _searched(config: SearchConfig, control: Control | None, *, show_progress: bool) -> Study:
    """Run the search; say so if it goes on from an earlier run."""
    from nas import jobs

    _say_if_resumed(config)
    return jobs.run_search(config, show_progress=show_progress, control=control)


def _say_if_resumed(config: SearchConfig) -> None:
    from nas import jobs

    path = sqlite_path(config.storage.url)
    if path is not None and not path.exists():
        return
    for study in jobs.list_studies(config.storage.url):
        if study.name == config.name:
            note(f"study {study.name} exists and is resumed: {study.num_done} of {config.search.trials} done")


def _command_line(config: Path, overrides: Sequence[str]) -> list[str]:
    sets = [word for override in overrides for word in ("--set", override)]
    return ["nas", "search", "run", str(config), *sets]
