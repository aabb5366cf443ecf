"""The knee of a front."""

from __future__ import annotations

from typing import Final

import numpy as np

from nas.errors import ConfigError
from nas.pareto.dominance import non_dominated
from nas.pareto.points import Points, as_matrix

#: Scaled sums that differ by less are equal: far above their rounding errors, far below any real bend.
_ROUNDING: Final = 1e-9


def knee(values: Points) -> int:
    """Row of the point furthest below the plane through the extremes of the front.

    Each objective is scaled to 0..1 over the front; furthest below is then the smallest sum. Of equals the
    most balanced is taken (its largest scaled value is the smallest), then the best in the first objective,
    then the next; of copies the first. The knee's values hence do not depend on the order of the points.
    Source: Das 1999, "On characterizing the knee of the Pareto curve".

    Raises:
        ConfigError: no point, or a value that is not finite.
    """
    matrix = as_matrix(values)
    if not len(matrix):
        raise ConfigError("the knee of no point is not defined; give at least one point")
    rows = np.flatnonzero(non_dominated(matrix))
    front = matrix[rows]
    low = front.min(axis=0)
    spread = front.max(axis=0) - low
    scaled = (front - low) / np.where(spread > 0, spread, 1.0)
    for reduce in (np.sum, np.max):
        measure = reduce(scaled, axis=1)
        is_best = measure <= measure.min() + _ROUNDING
        rows, front, scaled = rows[is_best], front[is_best], scaled[is_best]
    return int(rows[np.lexsort(front.T[::-1])[0]])
