"""How a job is shown, and the code that stands for its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nas.cli.errors import FAILED
from nas.cli.options import command
from nas.cli.output import Output, note_commands

if TYPE_CHECKING:
    from storage import JobRecord

_KEYS: Final = ("id", "kind", "study", "trials", "restarts", "exit_code", "reason", "owner", "log")
_TIMES: Final = ("created_at", "started_at", "ended_at")


def job_record(job: JobRecord) -> dict[str, Any]:
    """A job as `--json` prints it."""
    from nas.jobs.job_status import status_of

    times = {key: None if (at := getattr(job, key)) is None else at.isoformat() for key in _TIMES}
    return {**{key: getattr(job, key) for key in _KEYS}, "status": status_of(job), **times}


def print_job(out: Output, job: JobRecord) -> None:
    """A job, as the output wants it."""
    from nas.jobs.job_status import status_of

    if out.as_json:
        out.json(job_record(job))
    elif out.quiet:
        out.ids([job.id])
    else:
        status = f"{status_of(job)}: {job.reason}" if job.reason else status_of(job)
        facts = {"job": str(job.id), "study": job.study, "status": status, "log": job.log or "none"}
        if job.restarts:
            facts["restarts"] = str(job.restarts)
        out.pairs(facts)


def say_how_to_follow(job: JobRecord, storage: str) -> None:
    """The commands that follow and steer a job, ready to be copied."""
    words = (("logs", "-f"), ("wait",), ("pause",), ("stop",))
    note_commands([command("search", *verb, str(job.id), storage=storage) for verb in words])


def job_code(job: JobRecord) -> int:
    """The exit code that a job's end stands for: that of its search; 1 of a lost one."""
    from nas.jobs.job_status import LOST, status_of

    if status_of(job) == LOST:
        return FAILED
    if job.exit_code is None:
        return FAILED if status_of(job) == "failed" else 0
    return job.exit_code
