"""Fronts where one objective is known up to an interval, and values whose intervals overlap are ties.

A point is given by its bounds, `(objectives, 2)`: the lower and upper end of each value, equal ends where it
is exact. All values are minimised.

`a` dominates `b` up to ties if it is nowhere surely worse and somewhere surely better; surely means that the
intervals do not overlap, which for exact values is the usual order. A difference within overlapping
intervals hence neither dominates nor protects from being dominated.

The relation has no cycle as long as at most one objective has intervals. Exact values never get worse along
a chain of dominance, so that around a cycle they would be equal, and every step of it surely better in the
one uncertain objective. But being surely better is irreflexive and transitive (an interval order, Fishburn
1970), so that no chain of it returns. With two uncertain objectives there are cycles, of four points and
more; they are refused.

The relation is not transitive either, because ties are not. Where a chain of ties runs along the trade-off,
each point may be dominated by a neighbour that is in turn dominated by the next, and the points that nothing
dominates may be a single one, though the chain's other end is surely faster. The front is therefore the
kernel: the set of which no member dominates another, and some member every point outside. A finite relation
without cycles has exactly one (von Neumann and Morgenstern 1944). It holds all undominated points, so it is
never empty, and without ties it is the Pareto front.
"""

from __future__ import annotations

from typing import Generic

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError
from nas.pareto.dominance import non_dominated
from nas.pareto.front import Id
from nas.pareto.points import Array, Mask, Points, as_floats


def dominates_up_to_ties(a: Points, b: Points) -> bool:
    """Whether `a` is nowhere surely worse than `b` and somewhere surely better; bounds `(objectives, 2)`.

    Raises:
        ConfigError: bounds that are no finite pairs in order, of another length, or uncertain in two
            objectives.
    """
    pair = as_bounds([as_floats(a), as_floats(b)])
    return bool(_dominated(pair[1:], pair[0])[0])


def non_dominated_up_to_ties(bounds: Points) -> Mask:
    """Mask of the front of `(n, objectives, 2)`: the kernel of the dominance up to ties.

    Takes O(n log n + n times the size of the front).

    Raises:
        ConfigError: bounds that are no finite pairs in order, or uncertain in two objectives.
    """
    return _kernel(as_bounds(bounds))


class TieFront(Generic[Id]):
    """The front up to ties of the points seen so far.

    A point is dropped for good once another dominates it that is nowhere worse in the upper ends, since
    whatever dominates that one dominates it too; the others may yet be on the front. An insert takes
    O(kept), and reading the front O(kept times front) once after it.

    Args:
        num_objectives: values a point has; all are minimised.
        uncertain: index of the objective with intervals; None where all are exact.

    Raises:
        ConfigError: no objective, or no such index.
    """

    def __init__(self, num_objectives: int, *, uncertain: int | None = None) -> None:
        if num_objectives < 1:
            raise ConfigError(f"got {num_objectives} objectives; give at least 1")
        if uncertain is not None and not 0 <= uncertain < num_objectives:
            raise ConfigError(f"uncertain is {uncertain}; allowed are 0 to {num_objectives - 1}, or None")
        self._uncertain = uncertain
        self._bounds: Array = np.empty((0, num_objectives, 2))
        self._ids: list[Id] = []
        self._front: tuple[Id, ...] | None = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ids(self) -> tuple[Id, ...]:
        """Ids of the points on the front, in the order in which they came."""
        if self._front is None:
            mask = _kernel(self._bounds)
            self._front = tuple(one for one, is_on in zip(self._ids, mask, strict=True) if is_on)
        return self._front

    @property
    def num_kept(self) -> int:
        """Points that are on the front or may yet be."""
        return len(self._ids)

    def keeps(self, id: Id) -> bool:  # noqa: A002  # the word of the domain
        """Whether the point of this id is on the front or may yet be."""
        return id in self._ids

    def add(self, bounds: Points, id: Id) -> None:  # noqa: A002  # the word of the domain
        """Take a point in.

        Raises:
            ConfigError: bounds that are no finite pairs in order, of another length, or uncertain in another
                objective; or an id that is kept already.
        """
        row = self._checked(bounds)
        if id in self._ids:
            raise ConfigError(f"{id!r} was added already; give each point an id of its own")
        if np.any(_shadowed(row, self._bounds)):
            return
        kept = ~_shadowed(self._bounds, row)
        self._bounds = np.concatenate([self._bounds[kept], row])
        self._ids = [old for old, keep in zip(self._ids, kept, strict=True) if keep] + [id]
        self._front = None

    def shadows(self, bounds: Points) -> Mask:
        """Mask of the points `(n, objectives, 2)` that `add` would drop at once.

        Raises:
            ConfigError: bounds that are no finite pairs in order, or uncertain in two objectives.
        """
        points = as_bounds(bounds)
        mask = np.zeros(len(points), dtype=np.bool_)
        for kept in self._bounds:
            mask |= _shadowed(points, kept)
        return mask

    def _checked(self, bounds: Points) -> Array:
        row = as_bounds([as_floats(bounds)])
        num_objectives = self._bounds.shape[1]
        if row.shape[1] != num_objectives:
            raise ConfigError(f"got bounds of {row.shape[1]} objectives; the front has {num_objectives}")
        column = _uncertain_column(row)
        if column is not None and column != self._uncertain:
            allowed = "none may have" if self._uncertain is None else f"only {self._uncertain} may have"
            raise ConfigError(f"objective {column} has an interval; {allowed} one in this front")
        return row


def as_bounds(bounds: Points) -> Array:
    """Bounds `(n, objectives, 2)` of which at most one objective is uncertain.

    Raises:
        ConfigError: anything else.
    """
    array = as_floats(bounds)
    if array.ndim != 3 or array.shape[1] < 1 or array.shape[2] != 2:
        raise ConfigError(f"got an array of shape {array.shape}; give (points, objectives, 2)")
    if np.any(array[..., 0] > array[..., 1]):
        raise ConfigError("a lower end is above its upper end; give (lower, upper)")
    _uncertain_column(array)
    return array + 0.0  # no negative zeros, which sort like positive ones


def _uncertain_column(bounds: Array) -> int | None:
    columns = np.flatnonzero(np.any(bounds[..., 0] < bounds[..., 1], axis=0)).tolist()
    if len(columns) > 1:
        raise ConfigError(
            f"objectives {columns} have intervals; only one may, as dominance up to ties has cycles otherwise"
        )
    return columns[0] if columns else None


def _kernel(bounds: Array) -> Mask:
    """Take the first of the remaining points and drop what it dominates.

    Points come sorted such that none is dominated by a later one: by their exact values, then by their
    intervals.
    """
    column = _uncertain_column(bounds)
    if column is None:
        return non_dominated(bounds[..., 0])
    exact = np.delete(bounds[..., 0], column, axis=1)
    order = np.lexsort((bounds[:, column, 1], bounds[:, column, 0], *exact.T[::-1]))
    mask = np.zeros(len(bounds), dtype=np.bool_)
    left: npt.NDArray[np.intp] = order
    while left.size:
        mask[left[0]] = True
        rest = left[1:]
        left = rest[~_dominated(bounds[rest], bounds[left[0]])]
    return mask


def _dominated(bounds: Array, by: Array) -> Mask:
    """Mask of the points that one point dominates up to ties; the shapes may be any that broadcast."""
    nowhere_worse = np.all(by[..., 0] <= bounds[..., 1], axis=-1)
    return np.asarray(nowhere_worse & np.any(by[..., 1] < bounds[..., 0], axis=-1))


def _shadowed(bounds: Array, by: Array) -> Mask:
    """Mask of the points that one point dominates, being nowhere worse than they in the upper ends.

    Whatever dominates that point dominates them too: it is nowhere surely worse than they, and better where
    that point is. Either the point is in the kernel or one that dominates it, so that they never are.
    """
    nowhere_worse = np.all(by[..., 1] <= bounds[..., 1], axis=-1)
    return np.asarray(nowhere_worse & _dominated(bounds, by))
