"""Fronts and hypervolumes that are kept up to date point by point."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

import numpy as np

from nas.errors import ConfigError
from nas.pareto.dominance import dominated_by
from nas.pareto.points import Array, Mask, Points, as_matrix, as_point
from nas.pareto.volume import gain

Id = TypeVar("Id", bound=Hashable)


class Front(Generic[Id]):
    """The non-dominated points seen so far, in the order in which they came; a point takes O(front).

    Args:
        num_objectives: values a point has; all are minimised.

    Raises:
        ConfigError: no objective.
    """

    def __init__(self, num_objectives: int) -> None:
        if num_objectives < 1:
            raise ConfigError(f"got {num_objectives} objectives; give at least 1")
        self._values: Array = np.empty((0, num_objectives))
        self._ids: list[Id] = []

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> tuple[Id, ...]:
        """Ids of the points on the front."""
        return tuple(self._ids)

    @property
    def values(self) -> Array:
        """Copy of the points, `(len(front), num_objectives)`."""
        return self._values.copy()

    def add(self, point: Points, id: Id) -> bool:  # noqa: A002  # the word of the domain
        """Take a point in, unless one of the front dominates it, and drop those that it dominates.

        Raises:
            ConfigError: another number of objectives, a value that is not finite, or an id that is on
                the front already.
        """
        row = self._row(point)
        if id in self._ids:
            raise ConfigError(f"{id!r} is on the front already; give each point an id of its own")
        if not self.accepts(row):
            return False
        kept = ~dominated_by(self._values, row)
        self._values = np.vstack([self._values[kept], row])
        self._ids = [old for old, keep in zip(self._ids, kept, strict=True) if keep] + [id]
        return True

    def accepts(self, point: Points) -> bool:
        """Whether no point of the front dominates this one.

        Raises:
            ConfigError: another number of objectives, or a value that is not finite.
        """
        row = self._row(point)
        nowhere_worse = np.all(self._values <= row, axis=1)
        return not bool(np.any(nowhere_worse & np.any(self._values < row, axis=1)))

    def _row(self, point: Points) -> Array:
        row = as_point(point)
        if row.size != self._values.shape[1]:
            raise ConfigError(f"got {row.size} objectives; the front has {self._values.shape[1]}")
        return row


class GrowingHypervolume:
    """The hypervolume of the points seen so far.

    A dominated point takes O(front), any other the hypervolume of what of its box is dominated.

    Args:
        reference: the reference point, `(objectives,)`.

    Raises:
        ConfigError: no row of finite numbers.
    """

    def __init__(self, reference: Points) -> None:
        self._corner = as_point(reference)
        self._front: Array = np.empty((0, self._corner.size))
        self.value = 0.0

    def covers(self, values: Points) -> Mask:
        """Mask of the points `(n, objectives)` that would add nothing, as one seen is nowhere worse.

        Raises:
            ConfigError: not a matrix of finite numbers.
        """
        points = as_matrix(values)
        mask = np.zeros(len(points), dtype=np.bool_)
        for seen in self._front:
            mask |= np.all(seen <= points, axis=1)
        return mask

    def add(self, point: Points) -> float:
        """Take a point in; returns what it added.

        Raises:
            ConfigError: another number of objectives, or a value that is not finite.
        """
        row = as_point(point)
        if row.size != self._corner.size:
            raise ConfigError(f"got {row.size} objectives; the reference has {self._corner.size}")
        added = gain(row, self._front, self._corner)
        if added > 0:
            self._front = np.vstack([self._front[~dominated_by(self._front, row)], row])
            self.value += added
        return added
