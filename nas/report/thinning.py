"""Fewer of many things, evenly spread, where a page cannot hold them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def thinned(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` items in their order, evenly spread, the first and the last among them.

    Raises:
        ValueError: `most` is below 2.
    """
    if most < 2:
        raise ValueError(f"got most {most}; at least the first and the last item are kept, so give 2 or more")
    if len(items) <= most:
        return list(items)
    rows = np.unique(np.linspace(0, len(items) - 1, most).round().astype(int))
    return [items[row] for row in rows]
