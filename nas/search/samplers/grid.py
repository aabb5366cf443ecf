"""All points of a space, each once, in an order that the study's seed decides."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from nas.search.samplers.archive import Point
from nas.search.samplers.point_sampler import PointSampler

_POSITION: Final = "grid:position"
_ROUNDS: Final = 4
#: Positions passed over in one proposal because they are known or over budget.
_TRIES: Final = 1000


class GridSampler(PointSampler):
    """The next point of a permutation of the space; known ones and those over budget are passed over."""

    _position = 0

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See `PointSampler`; the position follows the last one that is noted."""
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        noted = (t.system_attrs[_POSITION] for t in reversed(trials) if _POSITION in t.system_attrs)
        self._position = int(next(noted, -1)) + 1
        return super().sample_relative(study, trial, search_space)

    def propose(self) -> Point:
        """The next new point, or the last one looked at."""
        size = math.prod(self._lattice.sizes)
        for _ in range(_TRIES):
            point = self._at(permuted(self._position % size, size, self._context.study_seed))
            if self._lattice.is_new(point):
                break
            self._position += 1
        return point

    def notes(self) -> Mapping[str, Any]:
        """Where in the permutation the point lies."""
        return {_POSITION: self._position}

    def _at(self, rank: int) -> Point:
        indices = []
        for size in self._lattice.sizes:
            rank, index = divmod(rank, size)
            indices.append(index)
        return tuple(indices)


def permuted(position: int, size: int, seed: int) -> int:
    """Image of `position` under a permutation of `0..size-1`.

    A Feistel network over the next power of four, walked until it lands inside. Source: Black and Rogaway
    2002, "Ciphers with arbitrary finite domains", cycle walking.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    image = position
    while True:
        left, right = divmod(image, 1 << half)
        for turn in range(_ROUNDS):
            left, right = right, left ^ (_hashed(seed, turn, right) & ((1 << half) - 1))
        image = (left << half) + right
        if image < size:
            return image


def _hashed(seed: int, turn: int, value: int) -> int:
    digest = hashlib.blake2b(f"{seed}:{turn}:{value}".encode(), digest_size=32).digest()
    return int.from_bytes(digest, "big")
