"""Errors as answers: `application/problem+json` of RFC 9457, without tracebacks, paths or secrets."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

import storage
from nas.errors import (
    ConfigError,
    InfeasibleError,
    NasError,
    StorageError,
    StudyNotFoundError,
    TargetUnavailableError,
    UnsupportedModelError,
)
from nas.jobs.requests import JobOverError
from nas.service.redaction import redacted

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
#: What a service that cannot reach its database asks clients to wait.
RETRY_AFTER_S: Final = 2


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="which kind of problem, the same for all of that kind")
    title: str = Field(description="the kind in words")
    status: int = Field(description="HTTP status")
    detail: str = Field(description="what was given, what is allowed, what to do")


class ProblemError(Exception):
    """A request cannot be answered.

    Args:
        status: HTTP status.
        name: kind in kebab case, the last part of its type.
        detail: what was given, what is allowed, what to do.
        headers: of the answer.
        extra: further members of the problem.
    """

    def __init__(
        self, status: int, name: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(status, name, detail)
        self.status, self.name, self.detail = status, name, detail
        self.headers, self.extra = headers, extra

    def __str__(self) -> str:
        return self.detail

    def response(self) -> JSONResponse:
        """The answer."""
        body = {
            "type": f"/problems/{self.name}",
            "title": self.name.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
        }
        return JSONResponse({**body, **self.extra}, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def not_found() -> ProblemError:
    """What is not there, and what belongs to another account: nobody can tell which."""
    return ProblemError(404, "not-found", "there is nothing here that this token may see")


def problem_of(error: Exception) -> ProblemError | None:
    """The answer that an error of this package stands for; None for one that nobody foresaw."""
    text = redacted(str(error))
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, InfeasibleError):
        return ProblemError(409, "infeasible", text, binding=error.binding, nearest=error.nearest)
    if isinstance(error, StudyNotFoundError | storage.UnknownStudyError | storage.UnknownTrialError):
        return not_found()
    if isinstance(error, _UNKNOWN):
        return not_found()
    if isinstance(error, (JobOverError, *_CONFLICTS)):
        return ProblemError(409, "conflict", text)
    if isinstance(error, _QUOTA):
        return ProblemError(429, "quota-exceeded", text, headers={"Retry-After": "60"})
    if isinstance(error, ConfigError | UnsupportedModelError):
        return ProblemError(422, "not-allowed", text)
    if isinstance(error, StorageError | TargetUnavailableError | storage.StorageFault):
        logger.error("a request found the database unusable: %s", text)
        detail = "the service cannot reach its database just now; ask again in a moment"
        return ProblemError(503, "unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})
    if isinstance(error, NasError):
        return ProblemError(422, "failed", text)
    return None


def _named(*names: str) -> tuple[type[Exception], ...]:
    return tuple(kind for name in names if (kind := getattr(storage, name, None)) is not None)


_UNKNOWN: Final = _named("UnknownJobError", "UnknownTargetError", "UnknownTokenError")
_CONFLICTS: Final = _named(
    "IdempotencyConflictError",
    "OpenJobError",
    "JobStateError",
    "JobHeldError",
    "LeaseHeldError",
    "StudyExistsError",
)
_QUOTA: Final = _named("QuotaError")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of the errors of a route, beside those that every route can answer with."""
    return {
        status: {
            "description": http.HTTPStatus(status).phrase,
            "model": Problem,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({401, 403, 422, *statuses})
    }


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in (ProblemError, NasError, storage.StorageFault):
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(Exception, _unforeseen)


def _known(request: Request, error: Exception) -> JSONResponse:
    del request
    problem = problem_of(error)
    assert problem is not None
    return problem.response()


def _invalid(request: Request, error: Exception) -> JSONResponse:
    """What is wrong with which parameter; values are not repeated."""
    del request
    assert isinstance(error, RequestValidationError)
    errors = [
        {"where": ".".join(map(str, found["loc"])), "problem": str(found["msg"])}
        for found in error.errors()[:20]
    ]
    detail = "; ".join(f"{found['where']}: {found['problem']}" for found in errors)
    return ProblemError(
        422, "invalid-request", detail or "the request is not valid", errors=errors
    ).response()


def _http(request: Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return not_found().response()
    phrase = http.HTTPStatus(error.status_code).phrase
    name = phrase.lower().replace(" ", "-")
    return ProblemError(error.status_code, name, str(error.detail), headers=error.headers).response()


def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = "the service failed at this request; its log says more"
    return ProblemError(500, "internal-error", detail).response()
