"""Searches in the background: start one, follow it, pause, resume, stop or edit it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from nas.cli.database import storage_errors
from nas.cli.job_views import job_code, print_job, say_how_to_follow
from nas.cli.options import DEFAULT_STORAGE, JsonOption, QuietOption, StorageOption, require_database
from nas.cli.output import Output, note

if TYPE_CHECKING:
    from nas.config import SearchConfig
    from storage import JobRecord, JobRequest, Ledger

#: Exit code of `wait` when the time is over, as of timeout(1).
TIMED_OUT: Final = 124

JobArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID|STUDY", help="Number of a job, or its study.", show_default=False)
]


def detach(out: Output, config: SearchConfig) -> None:
    """Run the search of a config in the background."""
    with storage_errors():
        from nas.jobs.launching import launch_search

        job = launch_search(config)
    print_job(out, job)
    if out.is_text:
        say_how_to_follow(job, config.storage.url)


def logs(
    job: JobArgument,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """Print the log of a job."""
    from nas.jobs.job_log import followed, log_text

    with _found(job, storage) as (ledger, found):
        if found.log is None:
            note(f"job {found.id} has no log")
            return
        text = followed(found.log, lambda: _is_over(ledger, found)) if follow else log_text(found.log)
        for piece in text:
            sys.stdout.write(piece)
            sys.stdout.flush()


def wait(
    job: JobArgument,
    *,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="At most, e.g. 90s or 4h.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Wait until a job is over or paused; the exit code is that of its search, 124 if it still runs."""
    from nas.config import parse_duration
    from nas.jobs import requests

    seconds = None if timeout is None else parse_duration(timeout)
    with _found(job, storage) as (ledger, found):
        ended = requests.wait(ledger, found, timeout_s=seconds)
    if ended is None:
        note(f"job {found.id} is not over after {timeout}")
        raise typer.Exit(TIMED_OUT)
    print_job(Output(as_json=as_json, quiet=quiet), ended)
    raise typer.Exit(job_code(ended))


def pause(
    job: JobArgument,
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a job to pause: what is in flight ends first, and `resume` goes on."""
    from storage import JobRequest

    _ask(job, JobRequest.PAUSE, storage, Output(as_json=as_json, quiet=quiet))


def stop(
    job: JobArgument,
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a job to end for good: what is in flight ends first, and all results stay."""
    from storage import JobRequest

    _ask(job, JobRequest.STOP, storage, Output(as_json=as_json, quiet=quiet))


def resume(
    job: JobArgument,
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go on with a job that was paused, was lost or failed."""
    out = Output(as_json=as_json, quiet=quiet)
    with _found(job, storage) as (ledger, found):
        from nas.jobs.launching import resume_job

        resumed = resume_job(ledger, storage, found)
    print_job(out, resumed)
    if out.is_text:
        say_how_to_follow(resumed, storage)


def edit(
    job: JobArgument,
    *,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Total of evaluated sub-networks.")],
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Change the budget of a job, also while it runs."""
    from nas.jobs import requests

    with _found(job, storage) as (ledger, found):
        edited = requests.edit(ledger, found, trials=trials)
    print_job(Output(as_json=as_json, quiet=quiet), edited)


def _ask(job: str, request: JobRequest, storage: str, out: Output) -> None:
    from nas.jobs import requests

    with _found(job, storage) as (ledger, found):
        asked = requests.ask(ledger, found, request)
    print_job(out, asked)


@contextmanager
def _found(job: str, storage: str) -> Iterator[tuple[Ledger, JobRecord]]:
    """The ledger of a database, and the job that the user means.

    Raises:
        ConfigError: there is no such job.
        StorageError: there is no such database, or it cannot be used.
    """
    require_database(storage)
    with storage_errors():
        from nas.jobs.job_status import find_job
        from storage import Ledger

        with Ledger.open(storage) as ledger:
            yield ledger, find_job(ledger, job)


def _is_over(ledger: Ledger, job: JobRecord) -> bool:
    """Whether nobody sees to a job any more, or not yet."""
    from storage import JobState

    found = ledger.job(job.id)
    return not found.is_alive and found.state is not JobState.QUEUED
