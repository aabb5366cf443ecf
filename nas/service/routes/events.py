"""`/jobs/{id}/events`: what happens to a job, as server-sent events that can be taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path
from fastapi.responses import StreamingResponse

from nas.service.context import Reader, ServiceOf
from nas.service.event_streams import encoded, followed
from nas.service.problems import problems
from storage import JobRecord

router = APIRouter(tags=["jobs"])

MEDIA_TYPE: Final = "text/event-stream"


def followed_job(
    job_id: Annotated[int, Path(ge=0, description="number of the job")], service: ServiceOf, identity: Reader
) -> Iterator[JobRecord]:
    """The job, and a stream's place for as long as the answer lasts; both are checked before it begins."""
    record = service.job(identity, job_id)
    with service.streams.one_more(identity.account):
        yield record


@router.get(
    "/jobs/{job_id}/events",
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
