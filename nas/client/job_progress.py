"""What a bar shows of a job at a service: what is done, and of a search its front so far."""

from __future__ import annotations

from typing import Final

from nas.client.connection import Connection
from nas.client.errors import ServiceUnreachableError
from nas.client.facts import JobFacts, StudyFacts
from nas.errors import StudyNotFoundError
from nas.progress import Progress, standing_text

_SEARCH: Final = "search"


class JobProgress:
    """Tells a bar how a job goes on; the study of a search is asked only when more of it was evaluated.

    Args:
        connection: to the service.
        progress: that is told.
    """

    def __init__(self, connection: Connection, progress: Progress) -> None:
        self._connection, self._progress = connection, progress
        self._standing, self._asked_at = "", 0

    def __call__(self, facts: JobFacts) -> None:
        """Show a job as it stands; the end of a search is always asked for."""
        if not facts.num_total:
            return
        if facts.kind == _SEARCH and (facts.num_done != self._asked_at or facts.is_over):
            self._ask(facts)
        text = ", ".join(filter(None, (facts.status, self._standing)))
        self._progress(facts.num_done, facts.num_total, text)

    def _ask(self, facts: JobFacts) -> None:
        """Read the study; it is only shown, so where it is not to be had what was known stays."""
        try:
            study = StudyFacts.from_json(self._connection.get("studies", facts.study))
            self._standing = standing_text(
                front=study.num_front,
                hypervolume=study.hypervolume,
                paused=self._count(facts.study, "PAUSED"),
                failed=self._count(facts.study, "FAILED"),
            )
        except (StudyNotFoundError, ServiceUnreachableError):
            return
        self._asked_at = facts.num_done

    def _count(self, study: str, state: str) -> int:
        params = {"limit": 1, "state": [state]}
        return int(self._connection.get("studies", study, "trials", params=params)["total"])
