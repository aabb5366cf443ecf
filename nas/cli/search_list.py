"""`nas search ls`: the studies of a database, and the jobs that run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.cli.database import storage_errors
from nas.cli.options import DEFAULT_STORAGE, JsonOption, QuietOption, StorageOption, require_database
from nas.cli.output import Column, Output

if TYPE_CHECKING:
    from nas.jobs import StudySummary
    from storage import JobRecord

_KEYS = ("name", "state", "num_done", "num_trials", "objectives", "created_at")
_TITLES = ("study", "state", "done", "trials", "job", "objectives", "created")
_NUMBERS = ("done", "trials")


def list_studies(
    *, storage: StorageOption = DEFAULT_STORAGE, as_json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """List the studies of a database with their newest jobs; those of lost jobs wait for `resume`."""
    require_database(storage)
    from nas import jobs

    studies, newest = jobs.list_studies(storage), newest_jobs(storage)
    out = Output(as_json=as_json, quiet=quiet)
    names = [study.name for study in studies]
    coming = [job for name, job in newest.items() if name not in names]
    if as_json:
        out.json([*(_record(study, newest) for study in studies), *map(_coming_record, coming)])
    elif quiet:
        out.ids([*names, *(job.study for job in coming)])
    else:
        columns = [Column(title=t, align="right" if t in _NUMBERS else "left") for t in _TITLES]
        rows = [*(_row(study, newest) for study in studies), *map(_coming_row, coming)]
        out.table(columns, rows)


def newest_jobs(url: str) -> dict[str, JobRecord]:
    """The newest job of each study that has one, by the study's name."""
    with storage_errors():
        from storage import Ledger

        with Ledger.open(url) as ledger:
            return {job.study: job for job in ledger.jobs()}


def job_summary(job: JobRecord) -> dict[str, Any]:
    """A job in a few keys, as `--json` prints it beside its study."""
    from nas.jobs.job_status import status_of

    return {"id": job.id, "status": status_of(job), "trials": job.trials, "restarts": job.restarts}


def _record(study: StudySummary, newest: Mapping[str, JobRecord]) -> dict[str, Any]:
    job = newest.get(study.name)
    values = {key: getattr(study, key) for key in _KEYS}
    return {**values, "job": None if job is None else job_summary(job)}


def _coming_record(job: JobRecord) -> dict[str, Any]:
    """A study that its job has not made yet."""
    objectives = job.config.get("objectives", [])
    values = (job.study, None, 0, 0, objectives, job.created_at)
    return {**dict(zip(_KEYS, values, strict=True)), "job": job_summary(job)}


def _row(study: StudySummary, newest: Mapping[str, JobRecord]) -> Sequence[str]:
    job = newest.get(study.name)
    return [
        study.name,
        str(study.state).lower(),
        str(study.num_done),
        str(study.num_trials),
        "-" if job is None else _job_cell(job),
        ", ".join(study.objectives),
        f"{study.created_at:%Y-%m-%d %H:%M}",
    ]


def _coming_row(job: JobRecord) -> Sequence[str]:
    objectives = ", ".join(map(str, job.config.get("objectives", [])))
    return [job.study, "-", "0", "0", _job_cell(job), objectives, f"{job.created_at:%Y-%m-%d %H:%M}"]


def _job_cell(job: JobRecord) -> str:
    from nas.jobs.job_status import status_of

    return f"{job.id} {status_of(job)}"
