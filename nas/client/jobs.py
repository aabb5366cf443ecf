"""A job of a service: followed, paused, resumed, cancelled, edited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

from nas.client.connection import Connection
from nas.client.errors import ServiceUnreachableError
from nas.client.event_stream import PATIENCE_S, job_events
from nas.client.facts import JobEvent, JobFacts
from nas.client.job_progress import JobProgress
from nas.progress import progress_bar

_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 2.0
_LOG_WAIT_S: Final = 0.5
_LOG_PIECE: Final = 65_536


class RemoteJob:
    """A job of a service; every question is asked there.

    Args:
        connection: to the service.
        facts: as it stood when it was asked for.
        sleep: waits a number of seconds.
    """

    def __init__(
        self, connection: Connection, facts: JobFacts, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._connection, self._facts, self._sleep = connection, facts, sleep

    @classmethod
    def of(cls, connection: Connection, job_id: int, *, sleep: Callable[[float], None] = time.sleep) -> Self:
        """The job of a number.

        Raises:
            NotFoundError: there is none that the token may see.
        """
        return cls(connection, JobFacts.from_json(connection.get("jobs", job_id)), sleep=sleep)

    @property
    def id(self) -> int:
        """Its number."""
        return self._facts.id

    @property
    def study(self) -> str:
        """Name of the study that it works on, with the account before it."""
        return self._facts.study

    @property
    def facts(self) -> JobFacts:
        """How it stood when it was last asked for."""
        return self._facts

    @property
    def status(self) -> str:
        """What it does now, such as `running`; see `JobFacts`."""
        return self.refresh().status

    def refresh(self) -> JobFacts:
        """How it stands now."""
        return self._told(self._connection.get("jobs", self.id))

    def wait(self, timeout_s: float | None = None, *, show_progress_bar: bool = False) -> JobFacts | None:
        """Wait until it is over or paused; a service that restarts meanwhile is waited for.

        Args:
            timeout_s: at most so long, in seconds.
            show_progress_bar: on standard error, or in a notebook; of a search with its front so far.

        Returns:
            How it ended; None if it still runs after the time-out.

        Raises:
            ServiceUnreachableError: the service was away for two minutes.
        """
        give_up = None if timeout_s is None else time.monotonic() + timeout_s
        with progress_bar(self.study, enabled=show_progress_bar) as progress:
            shown = JobProgress(self._connection, progress) if show_progress_bar else None
            return self._waited(give_up, shown)

    def events(self, *, after: int = 0) -> Iterator[JobEvent]:
        """What happens to it and its study, from the beginning until it will never go on; a pause is no end.

        A broken connection is taken up after the last event; each event comes once.
        """
        return job_events(
            self._connection, self.id, after=after, is_over=lambda: self.refresh().is_final, sleep=self._sleep
        )

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """The text of its log in pieces; with `follow` as it grows, until the job is over."""
        offset = 0
        while True:
            was_over = not follow or self.refresh().is_over
            while True:
                params = {"offset": offset, "limit": _LOG_PIECE}
                piece = self._connection.get("jobs", self.id, "logs", params=params)
                if piece["text"]:
                    yield piece["text"]
                is_read = piece["is_end"] or piece["next_offset"] == offset
                offset = piece["next_offset"]
                if is_read:
                    break
            if was_over:
                return
            self._sleep(_LOG_WAIT_S)

    def pause(self) -> JobFacts:
        """Ask it to pause: what is in flight ends first."""
        return self._asked("pause")

    def resume(self) -> JobFacts:
        """Go on with it after a pause or a loss; a failed one gets a successor with a new number."""
        return self._asked("resume")

    def cancel(self) -> JobFacts:
        """Ask it to end for good; all results stay."""
        return self._asked("cancel")

    def edit(self, *, trials: int) -> JobFacts:
        """Change its budget, the total of evaluated sub-networks, also while it runs."""
        return self._told(self._connection.patch("jobs", self.id, body={"trials": trials}))

    def _asked(self, verb: str) -> JobFacts:
        return self._told(self._connection.post("jobs", f"{self.id}:{verb}", body={}))

    def _waited(self, give_up: float | None, shown: JobProgress | None) -> JobFacts | None:
        wait, heard = _FIRST_WAIT_S, time.monotonic()
        while True:
            try:
                facts = self.refresh()
            except ServiceUnreachableError:
                if time.monotonic() > heard + PATIENCE_S:
                    raise
            else:
                heard = time.monotonic()
                if shown is not None:
                    shown(facts)
                if facts.is_over:
                    return facts
            if give_up is not None and time.monotonic() >= give_up:
                return None
            self._sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)

    def _told(self, record: Any) -> JobFacts:
        self._facts = JobFacts.from_json(record)
        return self._facts

    def __repr__(self) -> str:
        return f"RemoteJob(id={self.id}, study={self.study!r}, status={self._facts.status!r})"

    def _repr_html_(self) -> str:
        return self.refresh()._repr_html_()
