"""A study as it is answered: what its view tells, and the job that runs it."""

from __future__ import annotations

from typing import Any

from nas.service.context import Service
from nas.service.schemas.trials import trial_document
from nas.service.submission import public_document
from storage import JobState, StudyRecord, StudyState

_COMING = (JobState.QUEUED, JobState.RUNNING)


def study_answer(service: Service, record: StudyRecord) -> dict[str, Any]:
    """The members of `StudySummary`."""
    found = service.views.summary(record)
    jobs = service.ledger.jobs(study=record.name, kind="search", limit=1)
    is_live = record.state is StudyState.RUNNING or any(job.state in _COMING for job in jobs)
    return {
        "name": found.name,
        "state": found.state,
        "reason": found.reason,
        "account": found.account,
        "model": public_model(service, found.model),
        "task": found.task,
        "target": found.target,
        "objectives": found.objectives,
        "constraints": found.constraints,
        "num_trials": found.num_trials,
        "num_evaluated": found.num_evaluated,
        "num_front": found.num_front,
        "hypervolume": found.hypervolume,
        "best": None if found.best is None else trial_document(found.best),
        "created_at": found.created_at,
        "job_id": jobs[-1].id if jobs else None,
        "is_live": is_live,
    }


def public_model(service: Service, source: str) -> str:
    """The name of a model for the path that it was loaded from."""
    shown: dict[str, Any] = public_document({"model": {"id": source}}, service.settings)["model"]
    return str(shown["id"])
