"""What happens to a job, told as it happens: the database is asked again and again, no thread is kept."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import anyio
from fastapi.sse import ServerSentEvent, format_sse_event
from starlette.concurrency import run_in_threadpool

from nas.service.problems import ProblemError
from nas.service.redaction import redacted_payload
from nas.service.schemas.events import JobEvent
from storage import EventKind, EventRecord, JobRecord, Ledger, StorageFault

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS: Final = 0.7
#: What proxies and clients that wait for long want to see now and then.
HEARTBEAT_S: Final = 15.0
#: While the database is away; each look has waited for it already.
_SECONDS_OF_OUTAGE: Final = 2.0
_PAGE: Final = 500
#: Of a study, other kinds hold what is not to be told: whole configs, of the server's folders too.
_TOLD: Final = frozenset(EventKind) - {EventKind.TOKEN_CREATED, EventKind.TOKEN_REVOKED}
END: Final = "end"


class Streams:
    """Counts the streams of each account."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = Counter[str]()
        self._lock = threading.Lock()

    @contextmanager
    def one_more(self, account: str) -> Iterator[None]:
        """A stream of an account, while the block runs.

        Raises:
            ProblemError: 429, it has as many as it may.
        """
        with self._lock:
            if self._open[account] >= self._most:
                detail = f"account {account!r} has {self._most} event streams open; close one first"
                raise ProblemError(429, "too-many-streams", detail, headers={"Retry-After": "5"})
            self._open[account] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[account] -= 1


def last_events(ledger: Ledger, study_id: int, limit: int) -> list[JobEvent]:
    """What happened to a study last, oldest first, as far as it is to be told."""
    return [_told(event) for event in ledger.newest_events(study_id, limit=limit, kinds=_TOLD)]


async def followed(ledger: Ledger, job_id: int, *, after: int) -> AsyncIterator[ServerSentEvent]:
    """Events of a job and of its study since, until the job is over and all of them were sent.

    A comment fills every pause of `HEARTBEAT_S`.

    Args:
        ledger: that is asked, in the threads of the server.
        job_id: of a job that there is.
        after: id of the last event that is known.
    """
    said_at = time.monotonic()
    while True:
        if time.monotonic() - said_at > HEARTBEAT_S:
            said_at = time.monotonic()
            yield ServerSentEvent(comment="waiting")
        try:
            job, events = await run_in_threadpool(_look, ledger, job_id, after)
        except StorageFault as error:
            logger.warning("the events of job %d wait for the database: %s", job_id, error)
            await anyio.sleep(_SECONDS_OF_OUTAGE)
            continue
        for event in events:
            if event.kind in _TOLD:
                said_at = time.monotonic()
                yield _sent(event)
        if events:
            after = events[-1].id
        elif job.state.is_final:
            yield _end(job)
            return
        if len(events) < _PAGE:
            await anyio.sleep(SECONDS_BETWEEN_LOOKS)


def encoded(event: ServerSentEvent) -> bytes:
    """An event as it is sent."""
    data = None if event.data is None else event.data.model_dump_json()
    return format_sse_event(data_str=data, event=event.event, id=event.id, comment=event.comment)


def _look(ledger: Ledger, job_id: int, after: int) -> tuple[JobRecord, list[EventRecord]]:
    """The job, read first: were it over by then, no later event is missed."""
    return ledger.job(job_id), ledger.job_events(job_id, after=after, limit=_PAGE)


def _sent(event: EventRecord) -> ServerSentEvent:
    return ServerSentEvent(id=str(event.id), event=event.kind, data=_told(event))


def _told(event: EventRecord) -> JobEvent:
    return JobEvent(id=event.id, at=event.at, kind=event.kind, payload=redacted_payload(event.payload))


def _end(job: JobRecord) -> ServerSentEvent:
    told = JobEvent(id=None, at=job.ended_at, kind=END, payload={"job": job.id, "state": job.state.value})
    return ServerSentEvent(event=END, data=told)
