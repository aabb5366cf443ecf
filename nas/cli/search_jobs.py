"""Searches in the background: start one, follow it, pause, resume, stop or edit it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import typer

from nas.cli.database import storage_errors
from nas.cli.job_views import job_code, job_record, print_job, remote_job_record, say_how_to_follow
from nas.cli.options import (
    DEFAULT_STORAGE,
    JsonOption,
    QuietOption,
    StorageOption,
    command,
    require_database,
)
from nas.cli.output import Output, note
from nas.cli.remote import ServerOption, connected, remote_command

if TYPE_CHECKING:
    from nas.config import SearchConfig
    from storage import JobRecord, Ledger

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
    _print_steerable(out, job_record(job), partial(command, storage=config.storage.url))


def logs(
    job: JobArgument,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
) -> None:
    """Print the log of a job."""
    if server is not None:
        with connected(server) as client:
            _print_text(client.job(job).logs(follow=follow))
        return
    from nas.jobs.job_log import followed, log_text

    with _found(job, storage) as (ledger, found):
        if found.log is None:
            note(f"job {found.id} has no log")
            return
        _print_text(followed(found.log, lambda: _is_over(ledger, found)) if follow else log_text(found.log))


def wait(
    job: JobArgument,
    *,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="At most, e.g. 90s or 4h.")
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Wait until a job is over or paused; the exit code is that of its search, 124 if it still runs."""
    from nas.config import parse_duration

    seconds = None if timeout is None else parse_duration(timeout)
    ended = _waited_here(job, seconds, storage) if server is None else _waited_there(job, seconds, server)
    if ended is None:
        note(f"job {job} is not over after {timeout}")
        raise typer.Exit(TIMED_OUT)
    print_job(Output(as_json=as_json, quiet=quiet), ended)
    raise typer.Exit(job_code(ended))


def ordering(order: Literal["pause", "stop"]) -> Callable[..., None]:
    """The command that asks a job to halt; what is in flight ends first."""

    def ask(
        job: JobArgument,
        *,
        storage: StorageOption = DEFAULT_STORAGE,
        server: ServerOption = None,
        as_json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        asked = _asked_here(job, order, storage) if server is None else _asked_there(job, order, server)
        print_job(Output(as_json=as_json, quiet=quiet), asked)

    return ask


def resume(
    job: JobArgument,
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go on with a job that was paused, was lost or failed."""
    out = Output(as_json=as_json, quiet=quiet)
    if server is not None:
        with connected(server) as client:
            facts = client.job(job).resume()
        _print_steerable(out, remote_job_record(facts), partial(remote_command, server=server))
        return
    with _found(job, storage) as (ledger, found):
        from nas.jobs.launching import resume_job

        resumed = resume_job(ledger, storage, found)
    _print_steerable(out, job_record(resumed), partial(command, storage=storage))


def edit(
    job: JobArgument,
    *,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Total of evaluated sub-networks.")],
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Change the budget of a job, also while it runs."""
    out = Output(as_json=as_json, quiet=quiet)
    if server is not None:
        with connected(server) as client:
            print_job(out, remote_job_record(client.job(job).edit(trials=trials)))
        return
    from nas.jobs import requests

    with _found(job, storage) as (ledger, found):
        edited = requests.edit(ledger, found, trials=trials)
    print_job(out, job_record(edited))


def _asked_here(job: str, order: str, storage: str) -> dict[str, Any]:
    from nas.jobs import requests
    from storage import JobRequest

    with _found(job, storage) as (ledger, found):
        return job_record(requests.ask(ledger, found, JobRequest[order.upper()]))


def _asked_there(job: str, order: Literal["pause", "stop"], server: str) -> dict[str, Any]:
    with connected(server) as client:
        found = client.job(job)
        return remote_job_record(found.pause() if order == "pause" else found.cancel())


def _waited_here(job: str, seconds: float | None, storage: str) -> dict[str, Any] | None:
    from nas.jobs import requests

    with _found(job, storage) as (ledger, found):
        ended = requests.wait(ledger, found, timeout_s=seconds)
    return None if ended is None else job_record(ended)


def _waited_there(job: str, seconds: float | None, server: str) -> dict[str, Any] | None:
    with connected(server) as client:
        ended = client.job(job).wait(seconds)
    return None if ended is None else remote_job_record(ended)


def _print_steerable(out: Output, job: Mapping[str, Any], line: Callable[..., str]) -> None:
    print_job(out, job)
    if out.is_text:
        say_how_to_follow(job["id"], line)


def _print_text(pieces: Iterator[str]) -> None:
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()


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
