"""`/jobs`: submitting searches, following them, and asking them to pause, go on, end or take more."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from nas.errors import ConfigError
from nas.jobs import requests
from nas.service.accepting import ACCEPTED, Key, RequestKey, accept_search, tell_accepted
from nas.service.context import Reader, Searcher, Service, ServiceOf
from nas.service.job_answers import job_answer, job_answers, newest, page_of
from nas.service.job_logs import log_page
from nas.service.problems import ProblemError, problems
from nas.service.schemas.jobs import (
    Job,
    JobEdit,
    JobPage,
    JobSubmission,
    Kind,
    LogPage,
    PageToken,
    State,
)
from storage import JobRecord, JobRequest

router = APIRouter(tags=["jobs"])

JobId = Annotated[int, Path(ge=0, description="number of the job")]


@router.post(
    "/jobs",
    status_code=202,
    operation_id="submit_job",
    summary="Submit a search",
    responses={**ACCEPTED, **problems(409, 422, 429, 503)},
)
def submit_job(
    body: JobSubmission,
    service: ServiceOf,
    identity: Searcher,
    *,
    request: Request,
    response: Response,
    key: Key = None,
) -> Job:
    """Accept a search: once this is answered, it is run, whatever happens to the service."""
    submission = accept_search(service, identity, body, RequestKey.of(key, "search", body))
    tell_accepted(response, submission, request.url_for("get_job", job_id=submission.job.id).path)
    return job_answer(service, submission.job)


@router.get("/jobs", operation_id="list_jobs", summary="Jobs, the newest first", responses=problems(422))
def list_jobs(
    service: ServiceOf,
    identity: Reader,
    *,
    study: Annotated[str | None, Query(max_length=200)] = None,
    state: State | None = None,
    kind: Kind | None = None,
    limit: Annotated[int, Query(ge=1)] = 50,
    page_token: PageToken | None = None,
) -> JobPage:
    """Jobs of the asker's account; of every account for an administrator."""
    records = newest(
        service,
        identity,
        kind=kind,
        study=study,
        state=state,
        before=page_token,
    )
    found, following = page_of(records, min(limit, service.settings.limits.page_size))
    return JobPage(jobs=job_answers(service, found), next_page_token=following)


@router.get("/jobs/{job_id}", operation_id="get_job", summary="One job", responses=problems(404))
def get_job(job_id: JobId, service: ServiceOf, identity: Reader) -> Job:
    """A job with its config."""
    return job_answer(service, service.job(identity, job_id))


@router.patch(
    "/jobs/{job_id}",
    operation_id="edit_job",
    summary="Change a search's budget",
    responses=problems(404, 409, 422),
)
def edit_job(job_id: JobId, body: JobEdit, service: ServiceOf, identity: Searcher) -> Job:
    """A search that runs takes over the new total within seconds."""
    most = service.settings.limits.max_trials
    if body.trials > most:
        raise ConfigError(f"trials: got {body.trials}; this server allows at most {most}")
    record = service.job(identity, job_id)
    return job_answer(service, requests.edit(service.ledger, record, trials=body.trials))


@router.post(
    "/jobs/{job_id}:pause", operation_id="pause_job", summary="Pause a job", responses=problems(404, 409)
)
def pause_job(job_id: JobId, service: ServiceOf, identity: Searcher) -> Job:
    """What is in flight ends first; `:resume` goes on."""
    return _asked(service, service.job(identity, job_id), JobRequest.PAUSE)


@router.post(
    "/jobs/{job_id}:cancel", operation_id="cancel_job", summary="End a job", responses=problems(404, 409)
)
def cancel_job(job_id: JobId, service: ServiceOf, identity: Searcher) -> Job:
    """What is in flight ends first, and all results stay."""
    return _asked(service, service.job(identity, job_id), JobRequest.STOP)


@router.post(
    "/jobs/{job_id}:resume",
    operation_id="resume_job",
    summary="Go on with a job",
    responses=problems(404, 409, 429),
)
def resume_job(job_id: JobId, service: ServiceOf, identity: Searcher) -> Job:
    """Queue a job again that was paused or lost; one that failed gets a successor, which is the answer."""
    record = service.job(identity, job_id)
    try:
        resumed = requests.requeue(service.ledger, record, max_open=service.settings.limits.open_jobs)
    except ConfigError as error:
        raise ProblemError(409, "conflict", str(error)) from error
    service.dispatcher.wake()
    return job_answer(service, resumed)


@router.get(
    "/jobs/{job_id}/logs", operation_id="get_job_log", summary="The log of a job", responses=problems(404)
)
def get_job_log(
    job_id: JobId,
    service: ServiceOf,
    identity: Reader,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1024 * 1024, description="bytes")] = 64 * 1024,
) -> LogPage:
    """Whole lines from an offset on; ask again with `next_offset` for what was written since."""
    return log_page(service.job(identity, job_id), offset, limit)


def _asked(service: Service, record: JobRecord, request: JobRequest) -> Job:
    return job_answer(service, requests.ask(service.ledger, record, request))
