"""Lists that a service hands out page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from nas.client.connection import Connection

PAGE_SIZE: Final = 500


def each_record(
    connection: Connection, *parts: object, key: str, params: Mapping[str, Any] | None = None
) -> Iterator[Mapping[str, Any]]:
    """The members of a list, pages being asked for as they are needed.

    Args:
        connection: to the service.
        parts: the segments of the list's path.
        key: under which each page has its members.
        params: of every request.
    """
    wanted = {
        "limit": PAGE_SIZE,
        **{name: value for name, value in (params or {}).items() if value is not None},
    }
    while True:
        page = connection.get(*parts, params=wanted)
        yield from page[key]
        token = page.get("next_page_token")
        if token is None:
            return
        wanted["page_token"] = token
