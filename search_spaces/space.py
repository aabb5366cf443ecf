"""What every search space can do: decode, encode, sample, and name its extreme points."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from search_spaces.dimensions import Dimension
from search_spaces.errors import SpaceError
from search_spaces.portability import obstacle
from search_spaces.shape import ModelShape
from search_spaces.subnet import SubnetConfig


class SearchSpace(ABC):
    """A set of sub-networks of one model, addressed by flat parameters.

    Attributes:
        kind: the name it is configured by.
        shape: the full model.
        dimensions: elastic dimensions in a fixed order.
        portability: `any`, or `plain` where every sub-network loads with the stock class.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        shape: ModelShape,
        dimensions: Sequence[Dimension],
        *,
        portability: Literal["any", "plain"] = "any",
    ) -> None:
        if portability not in ("any", "plain"):
            raise SpaceError(f"portability: got {portability!r}; allowed are any, plain")
        self.shape = shape
        self.dimensions = tuple(dimensions)
        self.portability = portability
        self._by_name = {dimension.name: dimension for dimension in self.dimensions}
        if portability == "plain":
            self._refuse_custom_code()

    @abstractmethod
    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        """The sub-network of legal values, one for each dimension."""

    @abstractmethod
    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        """Values that describe a canonical sub-network if the space holds it."""

    def decode(self, parameters: Mapping[str, int]) -> SubnetConfig:
        """The canonical sub-network that flat parameters stand for.

        Raises:
            SpaceError: a name missing or unknown, or a value outside its dimension.
        """
        if set(parameters) != set(self._by_name):
            wrong = sorted(set(parameters) ^ set(self._by_name))
            raise SpaceError(f"parameters {wrong} do not match the space's {sorted(self._by_name)}")
        values = {name: self._by_name[name].to_value(value) for name, value in parameters.items()}
        return self._configure(values).canonical(self.shape)

    def encode(self, config: SubnetConfig) -> dict[str, int]:
        """Flat parameters of a sub-network; `decode` returns its canonical form.

        Raises:
            SpaceError: the space does not hold it.
        """
        config = config.canonical(self.shape)
        values = self._values_of(config)
        parameters = {name: self._by_name[name].to_parameter(value) for name, value in values.items()}
        if self.decode(parameters) != config:
            raise SpaceError(f"the {self.kind} space does not hold sub-network {config.key}")
        return parameters

    def __contains__(self, config: SubnetConfig) -> bool:
        try:
            self.encode(config)
        except SpaceError:
            return False
        return True

    @property
    def cardinality(self) -> int:
        """Number of points; equal sub-networks reached twice count twice."""
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    def sample(self, generator: np.random.Generator) -> SubnetConfig:
        """A sub-network with every dimension drawn uniformly."""
        drawn = {d.name: d.values[int(generator.integers(len(d.values)))] for d in self.dimensions}
        return self._configure(drawn).canonical(self.shape)

    def at_fraction(self, fraction: float) -> SubnetConfig:
        """The sub-network with the same share of each dimension's range, 0 smallest, 1 largest."""
        if not 0 <= fraction <= 1:
            raise SpaceError(f"fraction: got {fraction}; allowed are 0 to 1")
        return self._configure(self._values_at(fraction)).canonical(self.shape)

    def _values_at(self, fraction: float) -> dict[str, int]:
        return {d.name: d.values[round(fraction * (len(d.values) - 1))] for d in self.dimensions}

    def smallest(self) -> SubnetConfig:
        """Every dimension at its lowest value."""
        return self.at_fraction(0.0)

    def middle(self) -> SubnetConfig:
        """Every dimension half way."""
        return self.at_fraction(0.5)

    def largest(self) -> SubnetConfig:
        """Every dimension at its highest value."""
        return self.at_fraction(1.0)

    def uniform_ladder(self, steps: int) -> list[SubnetConfig]:
        """`steps` sub-networks between smallest and largest, both left out."""
        return [self.at_fraction(step / (steps + 1)) for step in range(1, steps + 1)]

    def to_json(self) -> dict[str, Any]:
        """What identifies the space, apart from the model's shape."""
        return {
            "kind": self.kind,
            "dimensions": {d.name: list(d.values) for d in self.dimensions},
            "portability": self.portability,
        }

    @property
    def sha256(self) -> str:
        """Hash of `to_json`, to refuse a resume with another space."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def _refuse_custom_code(self) -> None:
        for config in self._corners():
            reason = obstacle(self.shape, config)
            if reason is not None:
                raise SpaceError(
                    f"the {self.kind} space cannot be restricted to portability: plain ({reason}); "
                    "choose the uniform or layer space, or set portability: any"
                )

    def _corners(self) -> Iterator[SubnetConfig]:
        """The extreme points, and those with one dimension at any other value."""
        low, high = self._values_at(0.0), self._values_at(1.0)
        every = [low, high, self._values_at(0.5)]
        for dimension in self.dimensions:
            every += [high | {dimension.name: value} for value in dimension.values]
            every += [low | {dimension.name: value} for value in dimension.values]
        return (self._configure(values).canonical(self.shape) for values in every)
