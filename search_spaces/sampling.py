"""Drawing sub-networks of a space: evenly over its dimensions, or evenly over the number of parameters.

A draw is a function of its number and its generator, so that a sequence can be continued anywhere.
"""

from __future__ import annotations

import bisect
import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from search_spaces.cost import Workload, cost
from search_spaces.errors import SpaceError
from search_spaces.space import SearchSpace
from search_spaces.subnet import SubnetConfig

#: Bins and grid points of Sukthanker et al. 2024 (arXiv 2410.06479), as in their code.
_NUM_BINS: Final = 20
_GRID_SIZE: Final = 21
_MAX_TRIES: Final = 100
#: Walks from either side of which the nearest end becomes a grid point.
_GRID_WALKS: Final = 12

_Point = npt.NDArray[np.int64]


class Sampler(ABC):
    """Draws sub-networks of a space.

    Attributes:
        name: the name it is configured by.
        space: where the draws come from.
        seed: of what draws have in common, e.g. the order of the bins.
    """

    name: ClassVar[str]

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        self.space = space
        self.seed = seed

    @abstractmethod
    def draw(self, number: int, generator: np.random.Generator) -> SubnetConfig:
        """Draw `number` of a sequence, counted from 0."""


class UniformSampler(Sampler):
    """Every dimension drawn uniformly: few draws are nearly as small or as large as the space allows."""

    name = "uniform"

    def draw(self, number: int, generator: np.random.Generator) -> SubnetConfig:
        """See `Sampler.draw`; the number does not matter."""
        del number
        return self.space.sample(generator)


class StratifiedSampler(Sampler):
    """Every bin of parameters in turn, in an order that is new each round.

    After any number of draws the counts of two bins of equal width differ by at most one, unless the space
    has no sub-network in a bin, whose draws are then the nearest ones found.

    Source: Sukthanker et al. 2024 (arXiv 2410.06479). Their code rejects draws whose bin is full; here a
    uniform draw outside its bin walks towards it in random steps, since few draws hit the outer bins.
    """

    name = "stratified_params"

    def __init__(self, space: SearchSpace, *, seed: int = 0, num_bins: int = _NUM_BINS) -> None:
        super().__init__(space, seed=seed)
        self.num_bins = num_bins
        self._lattice = _Lattice(space)

    @cached_property
    def edges(self) -> npt.NDArray[np.float64]:
        """Parameters at the borders of the bins, `(num_bins + 1,)`."""
        return np.linspace(*self._lattice.range, self.num_bins + 1)

    def bin_of(self, config: SubnetConfig) -> int:
        """The bin that a sub-network lies in."""
        number = int(np.searchsorted(self.edges, self._lattice.parameters(config), side="right")) - 1
        return min(number, self.num_bins - 1)

    def draw(self, number: int, generator: np.random.Generator) -> SubnetConfig:
        """See `Sampler.draw`."""
        turn, position = divmod(number, self.num_bins)
        order = np.random.default_rng([self.seed, turn]).permutation(self.num_bins)
        return self._in_bin(int(order[position]), generator)

    def _in_bin(self, wanted: int, generator: np.random.Generator) -> SubnetConfig:
        nearest: tuple[int, SubnetConfig] | None = None
        for _ in range(_MAX_TRIES):
            config = self._lattice.walk(
                self._lattice.random(generator), self.edges[wanted], self.edges[wanted + 1], generator
            )
            distance = abs(self.bin_of(config) - wanted)
            if distance == 0:
                return config
            if nearest is None or distance < nearest[0]:
                nearest = (distance, config)
        assert nearest is not None
        return nearest[1]


class GridSampler(Sampler):
    """The same 21 sub-networks in turn: smallest, largest, and those nearest to even parameter counts.

    Source: Sukthanker et al. 2024 (arXiv 2410.06479), `grid_params` of their code.
    """

    name = "grid_params"

    @cached_property
    def grid(self) -> tuple[SubnetConfig, ...]:
        """The sub-networks by size; made once, a function of space and seed."""
        lattice, generator = _Lattice(self.space), np.random.default_rng([self.seed, _GRID_SIZE])
        targets = np.linspace(*lattice.range, _GRID_SIZE)
        inner = [_nearest(lattice, target, generator) for target in targets[1:-1]]
        return (self.space.smallest(), *inner, self.space.largest())

    def draw(self, number: int, generator: np.random.Generator) -> SubnetConfig:
        """See `Sampler.draw`; every grid point once a round, in an order that is new each round."""
        del generator
        turn, position = divmod(number, _GRID_SIZE)
        return self.grid[int(np.random.default_rng([self.seed, turn]).permutation(_GRID_SIZE)[position])]


SAMPLERS: Final = {s.name: s for s in (UniformSampler, StratifiedSampler, GridSampler)}


def sampler_of(name: str, space: SearchSpace, *, seed: int = 0) -> Sampler:
    """The sampler of a name over a space.

    Raises:
        SpaceError: there is none of that name.
    """
    if name not in SAMPLERS:
        near = difflib.get_close_matches(name, SAMPLERS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SpaceError(f"unknown sampler {name!r}; allowed are {', '.join(SAMPLERS)}{hint}")
    return SAMPLERS[name](space, seed=seed)


class _Lattice:
    """A space as points of value indices, one a dimension, along which parameters never fall.

    Points that break a rule stand for the near ones that do not, which may fall a little.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._high: _Point = np.array([len(d.values) - 1 for d in space.dimensions])
        self.range = (self.parameters(space.smallest()), self.parameters(space.largest()))

    def config(self, point: _Point) -> SubnetConfig:
        pairs = zip(self._space.dimensions, point, strict=True)
        parameters = {d.name: d.to_parameter(d.values[index]) for d, index in pairs}
        return self._space.decode(self._space.repaired(parameters))

    def parameters(self, config: SubnetConfig) -> int:
        return cost(self._space.shape, config, Workload()).num_parameters

    def random(self, generator: np.random.Generator) -> _Point:
        return generator.integers(self._high + 1)

    def walk(self, point: _Point, low: float, high: float, generator: np.random.Generator) -> SubnetConfig:
        """Step by step towards the largest or smallest, as far as `low <= parameters < high` needs."""
        start = self.parameters(self.config(point))
        if low <= start < high:
            return self.config(point)
        goal = self._high if start < low else 0 * self._high
        moves = np.repeat(np.arange(len(point)), np.abs(goal - point))
        generator.shuffle(moves)
        sign = 1 if start < low else -1

        def after(count: int) -> SubnetConfig:
            return self.config(point + sign * np.bincount(moves[:count], minlength=len(point)))

        def is_there(count: int) -> bool:
            size = self.parameters(after(count))
            return size >= low if sign > 0 else size < high

        return after(_first(is_there, len(moves)))


def _first(is_there: Callable[[int], bool], last: int) -> int:
    """The least of 0 to `last` for which a condition that stays true is true; `last` if it never is."""
    return bisect.bisect_left(range(last), True, key=is_there)


def _nearest(lattice: _Lattice, target: float, generator: np.random.Generator) -> SubnetConfig:
    """The nearest of some walks' ends, which stop right above the target."""
    found = [lattice.walk(lattice.random(generator), target, np.inf, generator) for _ in range(_GRID_WALKS)]
    found += [lattice.walk(lattice.random(generator), 0, target, generator) for _ in range(_GRID_WALKS)]
    return min(found, key=lambda config: abs(lattice.parameters(config) - target))
