"""Local search from the front. Source: Klein et al. 2024 (arXiv 2405.02267), Sec. 3.3, `LS`."""

from __future__ import annotations

from typing import Final

from nas.search.samplers.archive import Point
from nas.search.samplers.point_sampler import PointSampler

_TRIES: Final = 100


class LocalSearchSampler(PointSampler):
    """A member of the front, drawn uniformly, with one dimension at another value.

    Unlike Klein's, it draws again, up to 100 times, where the neighbour is known or over budget.
    """

    def propose(self) -> Point:
        """A neighbour; a random point while there is no front, or where no new neighbour was found."""
        front = self.archive.front
        for _ in range(_TRIES if front and self._lattice.free else 0):
            parent = front[int(self._generator.integers(len(front)))].point
            neighbour = self._neighbour(parent)
            if self._lattice.is_new(neighbour):
                return neighbour
        return self._lattice.random(self._generator)

    def _neighbour(self, parent: Point) -> Point:
        free = self._lattice.free
        dimension = free[int(self._generator.integers(len(free)))]
        shift = 1 + int(self._generator.integers(self._lattice.sizes[dimension] - 1))
        values = list(parent)
        values[dimension] = (values[dimension] + shift) % self._lattice.sizes[dimension]
        return tuple(values)
