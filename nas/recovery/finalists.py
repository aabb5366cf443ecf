"""Which few points of a front stand best for all of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas.pareto import hypervolume


def keep_most(
    values: npt.NDArray[np.float64], reference: npt.NDArray[np.float64], count: int
) -> tuple[int, ...]:
    """Rows that are left when the one whose loss costs the least hypervolume goes, again and again.

    Of equals the later row goes, so the result is a function of the order.

    Args:
        values: objectives, all minimised, `(points, objectives)`.
        reference: of the hypervolume, `(objectives,)`.
        count: rows to keep, at least 1; all of them where there are no more.

    Source: greedy hypervolume subset selection, Guerreiro, Fonseca and Paquete 2021, Sec. 5.
    """
    scale = np.where(reference != 0, np.abs(reference), 1.0)
    scaled, corner = values / scale, reference / scale
    kept = list(range(len(values)))
    while len(kept) > max(1, count):
        without = [hypervolume(scaled[[row for row in kept if row != gone]], corner) for gone in kept]
        best = max(range(len(kept)), key=lambda place: (without[place], place))
        del kept[best]
    return tuple(kept)
