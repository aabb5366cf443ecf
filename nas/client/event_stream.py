"""Server-sent events that survive a broken connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Final

import httpx2

from nas.client.connection import Connection
from nas.client.errors import ServiceUnreachableError
from nas.client.facts import JobEvent

#: How long a service may be away before whoever follows a job gives up; each answer starts it anew.
PATIENCE_S: Final = 120.0
_WAIT_S: Final = 1.0
_END: Final = "end"


def job_events(
    connection: Connection,
    job_id: int,
    *,
    after: int,
    is_over: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[JobEvent]:
    """The events of a job as they happen, each once and in their order, until the job is over.

    A stream that breaks is taken up after the last event that arrived.

    Args:
        connection: to the service.
        job_id: of the job.
        after: number of an event; those up to it are left out.
        is_over: whether the job is over, asked where a stream ended.
        sleep: waits a number of seconds between two tries.

    Raises:
        ServiceUnreachableError: the service was away for too long.
    """
    give_up, was_over = time.monotonic() + PATIENCE_S, False
    while True:
        try:
            for event in _streamed(connection, job_id, after):
                if event is None:
                    return
                after, give_up = event.id, time.monotonic() + PATIENCE_S
                yield event
            if was_over:  # before the stream began, so that nothing came after it
                return
            was_over = is_over()
        except ServiceUnreachableError:
            if time.monotonic() > give_up:
                raise
        if not was_over:
            sleep(_WAIT_S)


def _streamed(connection: Connection, job_id: int, after: int) -> Iterator[JobEvent | None]:
    """The events of one stream; None at the end of all, which a broken stream never says."""
    headers = {"accept": "text/event-stream", "last-event-id": str(after)}
    with connection.stream("jobs", job_id, "events", headers=headers) as response:
        for event in httpx2.EventSource(response):
            if event.event == _END:
                yield None
                return
            if event.id and int(event.id) > after:
                yield JobEvent.from_json(json.loads(event.data))
