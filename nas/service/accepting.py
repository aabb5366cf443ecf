"""Accepting work: what is checked before a job is stored, once, however often the request is repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias

from fastapi import Header, Response
from pydantic import BaseModel

from nas.jobs.job_config import JobConfig
from nas.jobs.job_log import make_log
from nas.jobs.kinds import SEARCH
from nas.service.authentication import Identity
from nas.service.context import Service
from nas.service.problems import ProblemError
from nas.service.schemas.jobs import JobSubmission
from nas.service.submission import search_config, yaml_document
from storage import StorageFault, Submission, UnknownStudyError, UnreachableError

#: Printable ASCII.
KEY_PATTERN: Final = r"^[\x20-\x7e]{1,200}$"
Key: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="1 to 200 printable characters; the same request with the same key is accepted once",
    ),
]


#: Documentation of the answer to an accepted request.
ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "description": "accepted: it is done whatever happens to the service",
        "headers": {
            "Location": {"description": "where it is followed", "schema": {"type": "string"}},
            "Idempotent-Replayed": {
                "description": "`true` where an earlier request with the key was accepted already",
                "schema": {"type": "string", "enum": ["true"]},
            },
        },
    }
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestKey:
    """The key that a client chose, and what it asked for with it; both None without a key."""

    key: str | None
    sha256: str | None

    @classmethod
    def of(cls, key: str | None, kind: str, body: BaseModel) -> Self:
        """The key of a request's header, with the hash of its body."""
        if key is None:
            return cls(key=None, sha256=None)
        text = json.dumps([kind, body.model_dump(mode="json")], sort_keys=True)
        return cls(key=key, sha256=hashlib.sha256(text.encode()).hexdigest())


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A job to be stored."""

    study: str
    kind: str
    config: Mapping[str, Any]
    trials: int | None = None


def accept_search(
    service: Service, identity: Identity, body: JobSubmission, request: RequestKey
) -> Submission:
    """Store the job of a search; the dispatcher starts it.

    Raises:
        ConfigError: the config is not allowed.
        ProblemError: the study belongs to another account, or the account's evaluations took too long.
        StorageFault: the study has a job, a quota is used up, or the key was used for something else.
    """
    settings = service.settings
    document = body.config if body.yaml is None else yaml_document(body.yaml)
    config = search_config(
        document or {}, settings=settings, account=identity.account, is_admin=identity.is_admin
    )
    _check_evaluation_quota(service, identity)
    _check_name(service, identity, config.name)
    stored = JobConfig(config=config, folder=settings.working_folder).to_json()
    stored["storage"] = {**stored["storage"], "artifacts": str(settings.artifacts.absolute())}
    work = Work(study=config.name, kind=SEARCH, config=stored, trials=config.search.trials)
    return store_job(service, identity, work, request)


def store_job(service: Service, identity: Identity, work: Work, request: RequestKey) -> Submission:
    """Store a job with a log of its own, and wake the dispatcher.

    Raises:
        StorageFault: the study has a job, a quota is used up, or the key was used for something else.
    """
    settings = service.settings
    log = make_log(work.study, str(settings.artifacts.absolute()), settings.working_folder)
    try:
        submission = service.ledger.submit_job(
            work.study,
            kind=work.kind,
            config=work.config,
            trials=work.trials,
            account=identity.account,
            log=str(log),
            key=request.key,
            request_sha256=request.sha256,
            max_open=settings.limits.open_jobs,
        )
    except StorageFault as error:
        _forget(log, error)
        raise
    if submission.is_repeated:
        log.unlink(missing_ok=True)
    service.dispatcher.wake()
    return submission


def tell_accepted(response: Response, submission: Submission, location: str) -> None:
    """Say in the headers where the job is, and whether it was there already."""
    response.headers["Location"] = location
    if submission.is_repeated:
        response.headers["Idempotent-Replayed"] = "true"


def _check_evaluation_quota(service: Service, identity: Identity) -> None:
    """Refuse another search when the account has used up its time.

    Raises:
        ProblemError: 429.
    """
    most = service.settings.limits.evaluation_seconds
    if most is None or identity.is_admin:
        return
    used = service.ledger.usage(identity.account).evaluation_seconds
    if used >= most:
        detail = f"the evaluations of account {identity.account!r} took {used:.0f} s, allowed are {most:.0f}"
        raise ProblemError(429, "quota-exceeded", f"{detail}; ask the operator for more")


def _check_name(service: Service, identity: Identity, name: str) -> None:
    """Refuse a study that somebody else has."""
    try:
        owner = service.ledger.study_status(name).account
    except UnknownStudyError:
        return
    if owner != identity.account and not (identity.is_admin and owner is None):
        raise ProblemError(409, "name-taken", f"the name {name!r} is taken; choose another name")


def _forget(log: Path, error: StorageFault) -> None:
    """Remove the log of a job that was not stored; one that may have been stored keeps it."""
    if not isinstance(error, UnreachableError):
        log.unlink(missing_ok=True)
