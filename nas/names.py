"""Looking things up by the names that users write."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from nas.errors import ConfigError

T = TypeVar("T")


def entry(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry of a name.

    Args:
        table: entries by name.
        name: as given.
        what: what the names are of, for the error, e.g. `sampler`.

    Raises:
        ConfigError: there is none of that name; it lists the known ones and the nearest.
    """
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"unknown {what} {name!r}; allowed are {', '.join(table)}{hint}")
    return table[name]
