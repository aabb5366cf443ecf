"""`/jobs/{id}/events` and `/studies/{study}/events`: what happens to a job, live, and what happened last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query
from fastapi.responses import StreamingResponse

from nas.service.context import Reader, ServiceOf
from nas.service.event_streams import encoded, followed, last_events
from nas.service.problems import problems
from nas.service.routes.studies import StudyName
from nas.service.schemas.events import StudyEvents
from storage import JobRecord

router = APIRouter()

MEDIA_TYPE: Final = "text/event-stream"
_MOST_EVENTS: Final = 1000


def followed_job(
    job_id: Annotated[int, Path(ge=0, description="number of the job")], service: ServiceOf, identity: Reader
) -> Iterator[JobRecord]:
    """The job, and a stream's place for as long as the answer lasts; both are checked before it begins."""
    record = service.job(identity, job_id)
    with service.streams.one_more(identity.account):
        yield record


@router.get(
    "/jobs/{job_id}/events",
    tags=["jobs"],
    operation_id="follow_job",
    summary="What happens to a job, live",
    response_class=StreamingResponse,
    responses={
        **problems(404, 422, 429),
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "server-sent events"},
    },
)
async def follow_job(
    job: Annotated[JobRecord, Depends(followed_job)],
    service: ServiceOf,
    last: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            pattern=r"^[0-9]{1,18}$",
            description="id of the last event that was seen; all later ones are sent, and none twice",
        ),
    ] = None,
) -> StreamingResponse:
    """Each event has its id, its kind and JSON; `end` is the last one, when the job is over.

    A comment is sent every 15 seconds in which nothing happens.
    """
    events = followed(service.ledger, job.id, after=int(last or 0))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        (encoded(event) async for event in events), media_type=MEDIA_TYPE, headers=headers
    )


@router.get(
    "/studies/{study}/events",
    tags=["studies"],
    operation_id="list_events",
    summary="What happened last",
    responses=problems(404, 422, 503),
)
def list_events(
    study: StudyName,
    service: ServiceOf,
    identity: Reader,
    limit: Annotated[int, Query(ge=1, le=_MOST_EVENTS, description="events, at most")] = 20,
) -> StudyEvents:
    """The newest events of a study, oldest first."""
    found = service.study(identity, study)
    return StudyEvents(events=last_events(service.ledger, found.id, limit))
