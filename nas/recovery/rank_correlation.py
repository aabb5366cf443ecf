"""How far two scores of the same sub-networks agree on their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

#: With fewer there is no order worth a figure.
LEAST: Final = 3


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b, 1 for the same order, -1 for the reverse one, with ties accounted for.

    None with fewer than three items, or where all of one side are equal.

    Source: Kendall 1945, "The treatment of ties in ranking problems".

    Raises:
        ValueError: sequences of different lengths.
    """
    if len(first) != len(second):
        raise ValueError(f"got {len(first)} and {len(second)} scores; give both of every item")
    if len(first) < LEAST:
        return None
    upper = np.triu_indices(len(first), k=1)
    signs = [np.sign(np.subtract.outer(side, side))[upper] for side in map(np.asarray, (first, second))]
    untied = [int(np.count_nonzero(sign)) for sign in signs]
    if not all(untied):
        return None
    return float(np.dot(*signs) / math.sqrt(untied[0] * untied[1]))
