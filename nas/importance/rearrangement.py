"""Orders of removal in which the gradients of what is gone cancel out.

The change of the loss by removing a set of units is, to second order and with the empirical Fisher
information, half of `||sum of their mask gradients||**2`, of which the diagonal keeps only the squares.

Source: Kwon et al. 2022 (arXiv 2204.09656), Sec. 4.2, for one set of pruned units. Here the sets of all sizes
are nested, since a supernet keeps prefixes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def removal_order(gradients: np.ndarray) -> np.ndarray:
    """Units from the first to the last to remove: of the diagonal's order and the greedy one the better.

    The better one has the smaller sum over all numbers of removed units of `||sum of gradients||**2`.

    Args:
        gradients: of the mask of each unit by each example, `(examples, units)`.

    Returns:
        `(units,)`. Takes `units**2` doubles of memory.
    """
    gram = gradients.T.astype(np.float64) @ gradients.astype(np.float64)
    diagonal, greedy = np.argsort(np.diag(gram), kind="stable"), _greedy_order(gram)
    return min((diagonal, greedy), key=lambda order: float(removal_norms(gradients, order).sum()))


def removal_norms(gradients: np.ndarray, order: np.ndarray) -> np.ndarray:
    """`||sum of the gradients of the first k units of an order||**2` for k of 1 to all, `(units,)`."""
    sums = np.cumsum(gradients[:, order].astype(np.float64), axis=1)
    norms: np.ndarray = np.square(sums).sum(axis=0)
    return norms


def swapped(gradients: np.ndarray, pruned: Sequence[int]) -> tuple[int, ...]:
    """A set of pruned units of the same size, whose summed gradients are no longer than before.

    Each kept unit in turn, those of small gradients first, joins the set, and the one leaves it without
    which the sum is shortest: maybe the same.

    Args:
        gradients: `(examples, units)`.
        pruned: units to start from.
    """
    gram = gradients.T.astype(np.float64) @ gradients.astype(np.float64)
    chosen = list(pruned)
    for unit in np.argsort(np.diag(gram), kind="stable").tolist():
        if unit in pruned:
            continue
        tried = [*chosen, unit]
        with_sum = gram[:, tried].sum(axis=1)[tried]  # of each unit with the sum of all
        # ||s - g||^2 = ||s||^2 - 2 g.s + ||g||^2. The unit that has joined comes last: ties leave the set.
        shorter_by = 2 * with_sum - np.diag(gram)[tried]
        leaving = len(tried) - 1 - int(np.argmax(shorter_by[::-1]))
        chosen = [*tried[:leaving], *tried[leaving + 1 :]]
    return tuple(sorted(chosen))


def handed_out(scores: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The same scores given to other units, so that sorting by them gives an order of removal.

    Args:
        scores: `(units,)`.
        order: units from the first to the last to remove, `(units,)`.
    """
    given = np.empty_like(scores)
    given[order] = np.sort(scores)
    return given


def _greedy_order(gram: np.ndarray) -> np.ndarray:
    """At each step the unit that leaves the sum shortest; `gram` holds the products of all gradients."""
    growth = np.diag(gram).copy()  # of ||sum||^2 by adding each unit
    order = np.empty(len(gram), dtype=np.int64)
    for step in range(len(gram)):
        unit = int(np.argmin(growth))
        order[step] = unit
        growth += 2 * gram[unit]
        growth[unit] = np.inf
    return order
