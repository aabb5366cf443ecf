"""Jobs of the ledger as the API answers with them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from nas.jobs.job_status import status_of
from nas.jobs.kinds import SEARCH
from nas.service.authentication import Identity
from nas.service.context import Service
from nas.service.redaction import redacted
from nas.service.schemas.jobs import Job, Progress
from nas.service.submission import public_document
from storage import JobRecord, JobState

_PAGE = 200


def job_answer(service: Service, record: JobRecord) -> Job:
    """One job, with its config."""
    [answer] = job_answers(service, [record])
    if record.kind != SEARCH:
        return answer
    return answer.model_copy(update={"config": public_document(record.config, service.settings)})


def job_answers(service: Service, records: list[JobRecord]) -> list[Job]:
    """Several jobs; what their studies have done is counted in one query."""
    studies = {record.study for record in records if record.kind == SEARCH}
    done = service.ledger.count_evaluated(studies)
    return [_answer(record, done.get(record.study, 0)) for record in records]


def newest(
    service: Service,
    identity: Identity,
    *,
    kind: str | None,
    study: str | None = None,
    state: str | None = None,
    before: str | None = None,
) -> Iterator[JobRecord]:
    """Jobs that the asker may see, the newest first.

    Args:
        service: that has them.
        identity: who asks.
        kind: only those of a kind.
        study: only those of a study.
        state: only those in a state.
        before: only those with lower numbers than this one, a page token.
    """
    states = None if state is None else [JobState(state)]
    lowest = None if before is None else int(before)
    account = None if identity.is_admin else identity.account
    while True:
        page = service.ledger.jobs(
            study=study, account=account, kind=kind, states=states, before=lowest, limit=_PAGE
        )
        yield from reversed(page)
        if len(page) < _PAGE:
            return
        lowest = page[0].id


def page_of(records: Iterator[JobRecord], limit: int) -> tuple[list[JobRecord], str | None]:
    """The first so many, and the token of the next page; None on the last one."""
    found = list(islice(records, limit + 1))
    has_more = len(found) > limit
    return found[:limit], str(found[limit - 1].id) if has_more else None


def _answer(record: JobRecord, done: int) -> Job:
    is_search = record.kind == SEARCH
    return Job.model_validate(
        {
            "id": record.id,
            "kind": record.kind,
            "study": record.study,
            "status": status_of(record),
            "state": record.state.value,
            "request": record.request.value,
            "trials": record.trials,
            "account": record.account,
            "restarts": record.restarts,
            "exit_code": record.exit_code,
            "reason": None if record.reason is None else redacted(record.reason),
            "created_at": record.created_at,
            "started_at": record.started_at,
            "ended_at": record.ended_at,
            "progress": Progress(done=done, total=record.trials) if is_search else None,
            "config": None,
        }
    )
