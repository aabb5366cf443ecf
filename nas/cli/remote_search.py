"""`nas search run`, `show` and `ls` at a service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from nas.cli.errors import INTERRUPTED
from nas.cli.events import SHOWN_EVENTS, event_record
from nas.cli.job_views import job_code, print_job, remote_job_record, say_how_to_follow
from nas.cli.output import Output, note
from nas.cli.records import front_record
from nas.cli.remote import connected, remote_command
from nas.cli.remote_studies import remote_snapshot, remote_study_facts, remote_study_record

if TYPE_CHECKING:
    from nas.client import Client, JobFacts, RemoteJob

#: Sections of a config that say where things run and are kept: the service has its own.
_OWN_OF_SERVICE: Final = ("storage", "workers")


def run_there(out: Output, path: Path, overrides: Sequence[str], server: str, *, is_detached: bool) -> None:
    """Submit the search of a config; follow it to its end unless it is detached."""
    with connected(server) as client:
        job = client.submit(submitted_document(path, overrides))
        if is_detached:
            print_job(out, remote_job_record(job.facts))
            if out.is_text:
                _say_how_to_follow(job, server)
            return
        ended = _followed(job, server, show_progress_bar=not out.quiet)
        if ended.status == "completed":
            _print_outcome(out, client, ended.study)
            return
        note(f"job {ended.id} is {ended.status}" + (f": {ended.reason}" if ended.reason else ""))
        raise typer.Exit(job_code(remote_job_record(ended)))


def show_there(out: Output, name: str, server: str) -> None:
    """A study of a service by its name, or by the number of a job."""
    from nas.cli.study_view import print_study

    with connected(server) as client:
        study = client.study(client.job(name).study if name.isdigit() else name)
        facts = study.facts()
        snapshot = remote_snapshot(study, facts)
        events = [] if out.quiet else study.last_events(SHOWN_EVENTS)
    if out.quiet:
        out.ids([f"{facts.name}@{trial.number}" for trial in snapshot.front])
    elif out.as_json:
        shown = [event_record(event) for event in events]
        out.json({**front_record(snapshot), **remote_study_record(facts), "events": shown})
    else:
        print_study(out, remote_study_facts(facts, snapshot), snapshot, events)


def submitted_document(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """What a config file holds, without the sections that a service has of its own.

    Raises:
        ConfigError: the file or an override is not allowed.
    """
    from nas.config import apply_overrides
    from nas.config.documents import read_document

    document = apply_overrides(read_document(path), overrides)
    left_out = [section for section in _OWN_OF_SERVICE if document.pop(section, None) is not None]
    if left_out:
        note(f"not sent, since the service has its own: {', '.join(left_out)}")
    return document


def _followed(job: RemoteJob, server: str, *, show_progress_bar: bool) -> JobFacts:
    """How a job ended; Ctrl-C leaves it running."""
    note(f"job {job.id} of study {job.study} is accepted")
    try:
        ended = job.wait(show_progress_bar=show_progress_bar)
    except KeyboardInterrupt:
        note(f"job {job.id} goes on at the service")
        _say_how_to_follow(job, server)
        raise typer.Exit(INTERRUPTED) from None
    assert ended is not None
    return ended


def _print_outcome(out: Output, client: Client, name: str) -> None:
    from nas.cli.trial_tables import print_front

    snapshot = remote_snapshot(client.study(name))
    if out.as_json:
        out.json(front_record(snapshot))
    elif out.quiet:
        out.ids([f"{name}@{trial.number}" for trial in snapshot.front])
    else:
        print_front(out, snapshot)


def _say_how_to_follow(job: RemoteJob, server: str) -> None:
    say_how_to_follow(job.id, lambda *words: remote_command(*words, server=server))
