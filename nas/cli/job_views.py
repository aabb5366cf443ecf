"""How a job is shown, and the code that stands for its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from nas.cli.errors import FAILED
from nas.cli.output import Output, note_commands

if TYPE_CHECKING:
    from nas.client import JobFacts
    from storage import JobRecord

_KEYS: Final = ("id", "kind", "study", "trials", "restarts", "exit_code", "reason")
_OF_THIS_MACHINE: Final = ("owner", "log")
_TIMES: Final = ("created_at", "started_at", "ended_at")
_LOST: Final = "lost"


def job_record(job: JobRecord) -> dict[str, Any]:
    """A job of a database as `--json` prints it."""
    from nas.jobs.job_status import status_of

    own = {key: getattr(job, key) for key in (*_KEYS, *_OF_THIS_MACHINE)}
    times = {key: None if (at := getattr(job, key)) is None else at.isoformat() for key in _TIMES}
    return {**own, "status": status_of(job), **times}


def remote_job_record(job: JobFacts) -> dict[str, Any]:
    """A job of a service as `--json` prints it; who runs it and where its log lies is the service's own."""
    known = asdict(job)
    times = {key: None if known[key] is None else known[key].isoformat() for key in _TIMES}
    hidden: dict[str, Any] = dict.fromkeys(_OF_THIS_MACHINE)
    return {**{key: known[key] for key in _KEYS}, **hidden, "status": job.status, **times}


def print_job(out: Output, job: Mapping[str, Any]) -> None:
    """The record of a job, as the output wants it."""
    if out.as_json:
        out.json(job)
    elif out.quiet:
        out.ids([job["id"]])
    else:
        status = f"{job['status']}: {job['reason']}" if job["reason"] else job["status"]
        facts = {"job": str(job["id"]), "study": job["study"], "status": status}
        if job["log"]:
            facts["log"] = job["log"]
        if job["restarts"]:
            facts["restarts"] = str(job["restarts"])
        out.pairs(facts)


def say_how_to_follow(job: int, command: Callable[..., str]) -> None:
    """The commands that follow and steer a job, ready to be copied.

    Args:
        job: its number.
        command: makes a command line of words, with the database or service that it asks.
    """
    words = (("logs", "-f"), ("wait",), ("pause",), ("stop",))
    note_commands([command("search", *verb, str(job)) for verb in words])


def job_code(job: Mapping[str, Any]) -> int:
    """The exit code that a job's end stands for: that of its search; 1 of a lost one."""
    if job["status"] == _LOST:
        return FAILED
    if job["exit_code"] is None:
        return FAILED if job["status"] == "failed" else 0
    return int(job["exit_code"])
