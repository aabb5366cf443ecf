"""`nas search ls`: the studies of a database or a service, and the jobs that run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nas.cli.database import storage_errors
from nas.cli.options import DEFAULT_STORAGE, JsonOption, QuietOption, StorageOption, require_database
from nas.cli.output import Column, Output
from nas.cli.remote import ServerOption, connected

if TYPE_CHECKING:
    from nas.client import JobFacts, StudyFacts
    from nas.jobs import StudySummary
    from storage import JobRecord

_TITLES: Final = ("study", "state", "done", "trials", "job", "objectives", "created")
_NUMBERS: Final = ("done", "trials")
_LOST: Final = "LOST"


@dataclass(frozen=True, kw_only=True)
class StudyLine:
    """A study in one line.

    Attributes:
        state: None where its job has not made it yet; `LOST` where its driver died.
        num_done: sub-networks evaluated, those that were paused included.
        job: its newest job in a few keys.
    """

    name: str
    state: str | None
    num_done: int
    num_trials: int
    objectives: Sequence[str]
    created_at: datetime
    job: Mapping[str, Any] | None = None


def list_studies(
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List the studies with their newest jobs; those of lost jobs wait for `resume`."""
    lines = _lines_here(storage) if server is None else _lines_there(server)
    out = Output(as_json=as_json, quiet=quiet)
    if as_json:
        out.json([dict(vars(line)) for line in lines])
    elif quiet:
        out.ids([line.name for line in lines])
    else:
        columns = [Column(title=t, align="right" if t in _NUMBERS else "left") for t in _TITLES]
        out.table(columns, [_row(line) for line in lines])


def study_of(text: str, storage: str) -> str:
    """The study of a job's number; any other text is a study's name itself."""
    require_database(storage)
    if not (text.isascii() and text.isdigit()):
        return text
    with storage_errors():
        from nas.jobs.job_status import JobNotFoundError, find_job
        from storage import Ledger

        with Ledger.open(storage) as ledger:
            if any(study.name == text for study in ledger.studies()):
                return text
            try:
                return find_job(ledger, text).study
            except JobNotFoundError:
                return text


def newest_jobs(url: str) -> dict[str, JobRecord]:
    """The newest search of each study that has one, by the study's name."""
    with storage_errors():
        from nas.jobs.kinds import SEARCH
        from storage import Ledger

        with Ledger.open(url) as ledger:
            return {job.study: job for job in ledger.jobs(kind=SEARCH)}


def study_line(study: StudySummary | StudyFacts, num_done: int) -> StudyLine:
    """A study without its job."""
    return StudyLine(
        name=study.name,
        state=_LOST if study.state == "RUNNING" and not study.is_live else study.state,
        num_done=num_done,
        num_trials=study.num_trials,
        objectives=study.objectives,
        created_at=study.created_at,
    )


def _lines_here(storage: str) -> list[StudyLine]:
    require_database(storage)
    from nas import jobs
    from nas.jobs.job_status import status_of

    studies = jobs.list_studies(storage)
    coming = [_coming(job, status_of(job), job.config) for job in newest_jobs(storage).values()]
    return _merged([study_line(study, study.num_done) for study in studies], coming)


def _lines_there(server: str) -> list[StudyLine]:
    with connected(server) as client:
        studies = [study_line(study, study.num_evaluated) for study in reversed(client.studies())]
        newest: dict[str, JobFacts] = {}
        for job in client.each_job(kind="search"):
            newest.setdefault(job.study, job.facts)
    return _merged(studies, [_coming(job, job.status, {}) for job in newest.values()])


def _coming(job: JobRecord | JobFacts, status: str, config: Mapping[str, Any]) -> StudyLine:
    """A study that its job may not have made yet."""
    return StudyLine(
        name=job.study,
        state=None,
        num_done=0,
        num_trials=0,
        objectives=[str(one) for one in config.get("objectives", [])],
        created_at=job.created_at,
        job={"id": job.id, "status": status, "trials": job.trials, "restarts": job.restarts},
    )


def _merged(studies: Sequence[StudyLine], coming: Sequence[StudyLine]) -> list[StudyLine]:
    """Studies with their jobs, then those that are not made yet."""
    jobs, names = {line.name: line.job for line in coming}, {line.name for line in studies}
    known = [replace(line, job=jobs.get(line.name)) for line in studies]
    return [*known, *(line for line in coming if line.name not in names)]


def _row(line: StudyLine) -> Sequence[str]:
    return [
        line.name,
        "-" if line.state is None else line.state.lower(),
        str(line.num_done),
        str(line.num_trials),
        "-" if line.job is None else f"{line.job['id']} {line.job['status']}",
        ", ".join(line.objectives),
        f"{line.created_at:%Y-%m-%d %H:%M}",
    ]
