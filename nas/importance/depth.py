"""Which blocks of a model may go, and orders of removal as scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from nas.progress import Progress, no_progress
from search_spaces import ModelShape

T = TypeVar("T")


def anchors(shape: ModelShape) -> frozenset[int]:
    """Blocks that are removed last.

    The first of a stack where the stock class needs it: it makes position biases for the others, or is built
    unlike them. Where there are two stacks the first of each, so that none is emptied.
    """
    if len(shape.stacks) > 1 or shape.has_shared_heads or shape.has_own_first_block:
        return frozenset(stack.start for stack in shape.stacks)
    return frozenset()


def positions(order: Sequence[int]) -> np.ndarray:
    """Scores of what is removed in an order, first to last: 0 for the first, larger = keep."""
    scores = np.empty(len(order))
    scores[list(order)] = np.arange(len(order))
    return scores


def greedy_order(
    candidates: Sequence[T],
    losses: Callable[[Sequence[T], Sequence[T]], Sequence[float]],
    *,
    progress: Progress = no_progress,
) -> list[T]:
    """Candidates in an order of removal in which each is the best to remove after those before it.

    Args:
        candidates: what may be removed, at least one.
        losses: of removing what is gone already and one candidate more, for each candidate; gets both.
        progress: told of each removal. The last candidate is never tried.
    """
    gone: list[T] = []
    left = list(candidates)
    while len(left) > 1:
        gone.append(left.pop(_best(losses(gone, left))))
        progress(len(gone), len(candidates) - 1, f"removed {gone[-1]}")
    return gone + left


def num_trials(candidates: int) -> int:
    """How many sub-networks `greedy_order` asks for, over all its steps."""
    return max(0, candidates * (candidates + 1) // 2 - 1)


def _best(losses: Sequence[float]) -> int:
    """Index of the smallest; what is not a number is never the best."""
    return int(np.argmin(np.nan_to_num(np.asarray(losses), nan=np.inf)))
