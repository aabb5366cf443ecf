"""Whether a study may change while somebody looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nas.jobs.job_status import status_of
from nas.jobs.kinds import SEARCH
from nas.service.authentication import Identity
from nas.service.context import Service
from storage import StudyRecord, StudyState

_LIVE: Final = frozenset({"queued", "running", "pausing", "stopping"})


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a study stands.

    Attributes:
        job_id: its newest job that the asker may see.
        is_live: whether a job, or a search without one, is under way.
    """

    job_id: int | None
    is_live: bool


def standing_of(service: Service, identity: Identity, record: StudyRecord) -> Standing:
    """How a study stands now."""
    jobs = service.ledger.jobs(study=record.name, kind=SEARCH, limit=1)
    if not jobs:
        return Standing(job_id=None, is_live=record.state is StudyState.RUNNING)
    job = jobs[-1]
    is_visible = identity.may_see(job.account)
    return Standing(job_id=job.id if is_visible else None, is_live=status_of(job) in _LIVE)
