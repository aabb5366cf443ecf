"""What a service refuses, as the errors that the library raises itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import httpx2

from nas.errors import ConfigError, InfeasibleError, NasError, StorageError, StudyNotFoundError

_LONGEST: Final = 2000
_HOW_TO_OPEN: Final = (
    "give a token by NAS_TOKEN, NAS_TOKEN_FILE or Client(token=...); "
    "`nas token create` on the server makes one"
)


class ServiceUnreachableError(StorageError):
    """The service does not answer, or answers that it cannot work now."""


class NotAuthorizedError(ConfigError):
    """The token is missing, wrong, expired, or lacks a scope."""


class NotFoundError(ConfigError, KeyError):
    """The service knows no such job, trial, export or target, or it is another account's."""

    def __str__(self) -> str:
        return str(self.args[0])


class ConflictError(NasError, RuntimeError):
    """The request does not fit the state of things: a job that runs already, a key used for another body."""


class QuotaError(ConflictError):
    """More than the service allows this account at once."""


def error_of(response: httpx2.Response) -> NasError:
    """The error that an answer of status 400 or more stands for; its body must have been read."""
    problem = _problem(response)
    text = _text(problem, response)
    status, kind = response.status_code, str(problem.get("type", "")).rpartition("/")[2]
    if kind == "infeasible":
        return InfeasibleError(text, _optional(problem, "binding"), _nearest(problem))
    if status in (401, 403):
        return NotAuthorizedError(f"{text}; {_HOW_TO_OPEN}")
    if status == 404:
        return _missing(response)
    if status == 409:
        return ConflictError(text)
    if status == 429:
        return QuotaError(text)
    if status < 500:
        return ConfigError(text)
    return ServiceUnreachableError(f"the service failed with {status}: {text}")


def _missing(response: httpx2.Response) -> NasError:
    """What was asked for in vain: the service's own answer is the same for all that is not there."""
    parts = [unquote(part) for part in response.request.url.raw_path.decode("ascii").split("?")[0].split("/")]
    match parts[3:]:
        case ["studies", study, "trials", number, *_]:
            return NotFoundError(f"no trial {number} of study {study!r} that this token may see")
        case ["studies", study, *_]:
            return StudyNotFoundError(f"no study {study!r} that this token may see")
        case [kind, name, *_]:
            return NotFoundError(f"no {kind.removesuffix('s')} {name!r} that this token may see")
    return NotFoundError("nothing is there that this token may see")


def _problem(response: httpx2.Response) -> Mapping[str, Any]:
    """The body of `application/problem+json` (RFC 9457); empty of any other."""
    try:
        found = json.loads(response.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(problem: Mapping[str, Any], response: httpx2.Response) -> str:
    words = (
        problem.get("detail") or problem.get("title") or f"{response.status_code} {response.reason_phrase}"
    )
    return str(words)[:_LONGEST]


def _nearest(problem: Mapping[str, Any]) -> str | None:
    """What comes nearest, as text; a service may tell the nearest trial whole beside it."""
    return _optional(problem, "nearest" if isinstance(problem.get("nearest"), str) else "reached")


def _optional(problem: Mapping[str, Any], key: str) -> str | None:
    value = problem.get(key)
    return None if value is None else str(value)
