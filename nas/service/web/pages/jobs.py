"""`/jobs`: submitting searches, and following, pausing, ending and extending them."""

from __future__ import annotations

from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse

from nas.config.loading import BUNDLED_DATA
from nas.config.search import SearchSection
from nas.config.sections import TaskName
from nas.config.space import SpaceSection
from nas.jobs.kinds import EXPORT, SEARCH
from nas.objectives import EXACT_METRICS
from nas.service.authentication import Identity
from nas.service.context import Reader, Service, ServiceOf
from nas.service.job_answers import job_answer, job_answers, newest, page_of
from nas.service.schemas.jobs import Job, PageToken
from nas.service.submission import BUNDLED_MODEL
from nas.service.web.environment import render, render_page
from nas.service.web.page_route import PageRoute
from nas.service.web.stored_text import yaml_text

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE: Final = 25
_OVER: Final = ("completed", "failed", "cancelled")
#: Of a profile, in the order in which they are written.
_POINTS: Final = ("smallest", "middle", "largest", "full")
_LIVE: Final = ("queued", "running", "pausing", "stopping")

JobId = Annotated[int, Path(ge=0)]
Before = Annotated[PageToken | None, Query()]


@router.get("/jobs", response_class=HTMLResponse)
def show_jobs(service: ServiceOf, identity: Reader, before: Before = None) -> Response:
    """Searches, the newest first, and a form for another one."""
    return render_page("jobs.html", identity, **_list(service, identity, before), **_choices(service))


@router.get("/jobs/list", response_class=HTMLResponse)
def show_list(service: ServiceOf, identity: Reader, before: Before = None) -> Response:
    """The table alone."""
    return render("_jobs.html", **_list(service, identity, before))


@router.get("/jobs/{job_id}", response_class=HTMLResponse)
def show_job(job_id: JobId, service: ServiceOf, identity: Reader) -> Response:
    """One job with its events and log."""
    record = service.job(identity, job_id)
    job = job_answer(service, record)
    config = None if job.config is None else yaml_text(job.config)
    return render_page("job.html", identity, **_standing(service, identity, job), config=config)


@router.get("/jobs/{job_id}/standing", response_class=HTMLResponse)
def show_standing(job_id: JobId, service: ServiceOf, identity: Reader) -> Response:
    """How a job stands, for the page that is open."""
    job = job_answer(service, service.job(identity, job_id))
    return render("_job.html", **_standing(service, identity, job))


def _list(service: Service, identity: Identity, before: str | None) -> dict[str, Any]:
    records, older = page_of(newest(service, identity, kind=SEARCH, before=before), PAGE)
    jobs = job_answers(service, records)
    return {
        "jobs": jobs,
        "older": older,
        "before": before,
        "is_live": any(job.status in _LIVE for job in jobs),
        "announcement": "; ".join(f"job {job.id} {job.status}" for job in jobs[:3]),
    }


def _choices(service: Service) -> dict[str, Any]:
    """What the fields of the form allow."""
    search = SearchSection.model_fields
    return {
        "models": [BUNDLED_MODEL, *service.settings.models],
        "data": [BUNDLED_DATA, *service.settings.data],
        "tasks": get_args(TaskName),
        "samplers": get_args(search["sampler"].annotation),
        "sampler": search["sampler"].default,
        "spaces": get_args(SpaceSection.model_fields["kind"].annotation),
        "most_trials": service.settings.limits.max_trials,
        "points": _POINTS,
        "costs": tuple(EXACT_METRICS),
    }


def _standing(service: Service, identity: Identity, job: Job) -> dict[str, Any]:
    progress = job.progress
    done, total = (progress.done, progress.total) if progress else (0, None)
    return {
        "job": job,
        "is_over": job.status in _OVER,
        "is_search": job.kind != EXPORT,
        "may_search": identity.may("search"),
        "can_pause": job.status in ("queued", "running"),
        "can_resume": job.status in ("paused", "lost", "failed"),
        "most_trials": service.settings.limits.max_trials,
        "announcement": f"Job {job.id} {job.status}" + (f", {done} of {total} trials" if total else ""),
    }
