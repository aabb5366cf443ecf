"""A study as it is answered: what its view tells, and the job that runs it."""

from __future__ import annotations

from typing import Any

from nas.jobs.job_status import is_live
from nas.jobs.kinds import SEARCH
from nas.service.context import Service
from nas.service.schemas.trials import trial_document
from nas.service.submission import public_document
from storage import StudyStatus


def study_answer(service: Service, status: StudyStatus) -> dict[str, Any]:
    """The members of `StudySummary`."""
    found = service.views.summary(status)
    newest = next(iter(service.ledger.jobs(study=status.name, kind=SEARCH, limit=1)), None)
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
        "job_id": None if newest is None else newest.id,
        "is_live": is_live(status, newest),
    }


def public_model(service: Service, source: str) -> str:
    """The name of a model for the path that it was loaded from."""
    shown: dict[str, Any] = public_document({"model": {"id": source}}, service.settings)["model"]
    return str(shown["id"])
