"""Page tokens: where the next page begins, and of which query."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Query

from nas.errors import ConfigError
from nas.service.context import Service

_MOST: Final = 2**31
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


def page_token(offset: int, query: Mapping[str, Any]) -> str:
    """A token for the page that begins at `offset` of a query's answer."""
    text = json.dumps([offset, _digest(query)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page_offset(token: str | None, query: Mapping[str, Any]) -> int:
    """Where a page begins; 0 without a token.

    Raises:
        ConfigError: no token of this service, or one of another query.
    """
    if token is None:
        return 0
    try:
        offset, digest = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise ConfigError("page_token: this is no token of a page; begin without one") from None
    if type(offset) is not int or not 0 <= offset < _MOST or digest != _digest(query):
        raise ConfigError(
            "page_token: this is a token of another query; keep all other parameters as they were, or begin "
            "without one"
        )
    return offset


def following(offset: int, limit: int, total: int, query: Mapping[str, Any]) -> str | None:
    """The token of the next page; None on the last one."""
    end = offset + limit
    return page_token(end, query) if end < total else None


def _digest(query: Mapping[str, Any]) -> str:
    text = json.dumps(query, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
