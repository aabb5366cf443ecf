"""Whether a study may change while somebody looks at it."""

from __future__ import annotations

from dataclasses import dataclass

from nas.jobs.job_status import is_live
from nas.jobs.kinds import SEARCH
from nas.service.authentication import Identity
from nas.service.context import Service
from storage import StudyStatus


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a study stands.

    Attributes:
        job_id: its newest job that the asker may see.
        is_live: whether a job, or a search without one, is under way.
    """

    job_id: int | None
    is_live: bool


def standing_of(service: Service, identity: Identity, status: StudyStatus) -> Standing:
    """How a study stands now."""
    newest = next(iter(service.ledger.jobs(study=status.name, kind=SEARCH, limit=1)), None)
    job_id = newest.id if newest is not None and identity.may_see(newest.account) else None
    return Standing(job_id=job_id, is_live=is_live(status, newest))
