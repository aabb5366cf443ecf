"""Page tokens: behind which entry the next page begins, and of which query."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Query

from nas.errors import ConfigError
from nas.service.context import Service
from nas.service.views.pages import Position

_MOST: Final = 2**63
_DIGEST: Final = 12

Limit: TypeAlias = Annotated[int, Query(ge=1, le=10_000, description="entries of a page, at most")]
Token: TypeAlias = Annotated[
    str | None, Query(max_length=200, description="`next_page_token` of the page before, with the same query")
]


def checked_limit(limit: int, service: Service) -> int:
    """The entries that a page is to have.

    Raises:
        ConfigError: more than this service gives.
    """
    most = service.settings.limits.page_size
    if limit > most:
        raise ConfigError(f"limit: got {limit}; this server gives 1 to {most} entries a page")
    return limit


def token_of(last: Position | None, query: Mapping[str, Any]) -> str | None:
    """A token for the page behind the last entry of another, by its position; None for the last page."""
    if last is None:
        return None
    text = json.dumps([last.number, last.key, _digest(query)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(token: str | None, query: Mapping[str, Any]) -> Position | None:
    """The entry that a page comes after; None without a token.

    Raises:
        ConfigError: no token of this service, or one of another query.
    """
    if token is None:
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        number, key, digest = json.loads(text)
        last = _position(number, key)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise ConfigError("page_token: this is no token of a page; begin without one") from None
    if digest != _digest(query):
        raise ConfigError(
            "page_token: this is a token of another query; keep all other parameters as they were, or begin "
            "without one"
        )
    return last


def _position(number: object, key: object) -> Position:
    if type(number) is not int or not 0 <= number < _MOST:
        raise ValueError(number)
    if key is not None and (type(key) is not float or math.isnan(key)):
        raise ValueError(key)
    return Position(number=number, key=key)


def _digest(query: Mapping[str, Any]) -> str:
    text = json.dumps(query, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
