"""What every search space can do: decode, encode, sample, and name its extreme points."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np

from search_spaces.dimensions import Dimension
from search_spaces.errors import SpaceError
from search_spaces.limits import SpaceLimits
from search_spaces.portability import obstacle
from search_spaces.repair import ENUMERABLE, Point, Repair
from search_spaces.rules import Rules
from search_spaces.shape import ModelShape
from search_spaces.subnet import SubnetConfig

#: Draws that may break a rule before one is repaired.
_MAX_DRAWS: Final = 100


class SearchSpace(ABC):
    """A set of sub-networks of one model, addressed by flat parameters.

    Attributes:
        kind: the name it is configured by.
        shape: the full model.
        dimensions: elastic dimensions in a fixed order.
        portability: `any`, or `plain` where every sub-network loads with the stock class.
        limits: alignment, frozen layers and rules.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        shape: ModelShape,
        dimensions: Sequence[Dimension],
        *,
        portability: Literal["any", "plain"] = "any",
        limits: SpaceLimits | None = None,
    ) -> None:
        if portability not in ("any", "plain"):
            raise SpaceError(f"portability: got {portability!r}; allowed are any, plain")
        self.shape = shape
        self.portability = portability
        self.limits = limits or SpaceLimits()
        self._settle(dimensions)
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
            SpaceError: a name missing or unknown, a value outside its dimension, or a broken rule.
        """
        config = self._develop(self._to_values(parameters))
        if self._rules.violation(config) > 0:
            broken = ", ".join(map(repr, self._rules.broken(config)))
            raise SpaceError(f"the point breaks rule {broken}; repaired() gives the nearest that does not")
        return config

    def encode(self, config: SubnetConfig) -> dict[str, int]:
        """Flat parameters of a sub-network; `decode` returns its canonical form.

        Raises:
            SpaceError: the space does not hold it.
        """
        config = config.canonical(self.shape)
        parameters = self._to_parameters(self._values_of(config))
        if self.decode(parameters) != config:
            raise SpaceError(f"the {self.kind} space does not hold sub-network {config.key}")
        return parameters

    def __contains__(self, config: SubnetConfig) -> bool:
        try:
            self.encode(config)
        except SpaceError:
            return False
        return True

    def is_legal(self, parameters: Mapping[str, int]) -> bool:
        """Whether flat parameters, each within its dimension, obey the rules."""
        return not self._rules or self._rules.violation(self._develop(self._to_values(parameters))) == 0

    def repaired(self, parameters: Mapping[str, int]) -> dict[str, int]:
        """The parameters if they obey the rules, else near ones that do, always the same.

        What a sampler proposes that knows the dimensions only goes through here before `decode`.
        """
        if not self._rules:
            return dict(parameters)
        return self._to_parameters(self._obeying(self._to_values(parameters)))

    def neighbours(self, parameters: Mapping[str, int], dimension: str) -> tuple[dict[str, int], ...]:
        """Points one step down and one step up in one dimension, those that break a rule left out."""
        axis = self.dimension(dimension)
        place = axis.values.index(axis.to_value(parameters[dimension]))
        near = [axis.to_parameter(v) for v in axis.values[max(0, place - 1) : place + 2]]
        points = [{**parameters, dimension: value} for value in near if value != parameters[dimension]]
        return tuple(point for point in points if self.is_legal(point))

    def dimension(self, name: str) -> Dimension:
        """The dimension of a name.

        Raises:
            SpaceError: there is none.
        """
        if name not in self._by_name:
            raise SpaceError(f"unknown dimension {name!r}; allowed are {', '.join(self._by_name)}")
        return self._by_name[name]

    @cached_property
    def cardinality(self) -> int:
        """Number of points; equal sub-networks reached twice count twice.

        With rules the number of points that obey them, counted up to 5,000 points, beyond that all points.
        """
        every = math.prod(len(dimension.values) for dimension in self.dimensions)
        return every if not self._rules or every > ENUMERABLE else sum(1 for _ in self.points())

    def points(self) -> Iterator[dict[str, int]]:
        """Flat parameters of every point that obeys the rules, the last dimension running fastest."""
        axes = [[d.to_parameter(value) for value in d.values] for d in self.dimensions]
        every = (dict(zip(self._by_name, point, strict=True)) for point in itertools.product(*axes))
        return (point for point in every if self.is_legal(point)) if self._rules else every

    def sample(self, generator: np.random.Generator) -> SubnetConfig:
        """A sub-network with every dimension drawn uniformly, drawn again where it breaks a rule."""
        values = self._drawn(generator)
        for _ in range(_MAX_DRAWS if self._rules else 0):
            if self._rules.violation(self._develop(values)) == 0:
                break
            values = self._drawn(generator)
        return self._develop(self._obeying(values))

    def _drawn(self, generator: np.random.Generator) -> dict[str, int]:
        return {d.name: d.values[int(generator.integers(len(d.values)))] for d in self.dimensions}

    def at_fraction(self, fraction: float) -> SubnetConfig:
        """The sub-network with the same share of each dimension's range, 0 smallest, 1 largest.

        Where that breaks a rule it is one near it.
        """
        if not 0 <= fraction <= 1:
            raise SpaceError(f"fraction: got {fraction}; allowed are 0 to 1")
        return self._develop(self._obeying(self._values_at(fraction)))

    def _values_at(self, fraction: float) -> dict[str, int]:
        return {d.name: d.values[round(fraction * (len(d.values) - 1))] for d in self.dimensions}

    def smallest(self) -> SubnetConfig:
        """Every dimension at its lowest value, or as low as the rules let it."""
        return self.at_fraction(0.0)

    def middle(self) -> SubnetConfig:
        """Every dimension half way."""
        return self.at_fraction(0.5)

    def largest(self) -> SubnetConfig:
        """Every dimension at its highest value, or as high as the rules let it."""
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
            **self.limits.to_json(),
        }

    def restored(self, record: Mapping[str, Any]) -> Self:
        """This space with the dimensions and rules of a record that `to_json` wrote.

        Raises:
            SpaceError: the record has other dimensions, or is of another space.
        """
        again = copy.copy(self)
        again.limits = replace(self.limits, rules=tuple(record.get("rules", ())))
        values: Mapping[str, Sequence[int]] = record["dimensions"]
        again._settle([Dimension(d.name, tuple(values.get(d.name, d.values))) for d in self.dimensions])
        if again.to_json() != dict(record):
            raise SpaceError(
                f"the stored {record['kind']} space does not fit this {self.shape.model_type} model; "
                "open the study with the supernet that it was created with"
            )
        return again

    @property
    def sha256(self) -> str:
        """Hash of `to_json`, to refuse a resume with another space."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def _settle(self, dimensions: Sequence[Dimension]) -> None:
        self.dimensions = tuple(dimensions)
        self._by_name = {dimension.name: dimension for dimension in self.dimensions}
        self.__dict__.pop("cardinality", None)
        self._rules = Rules(self.shape, self.limits.rules)
        self._repair = Repair(self.dimensions, self._violation) if self._rules else None

    def _develop(self, values: Mapping[str, int]) -> SubnetConfig:
        return self._configure(values).canonical(self.shape)

    def _violation(self, point: Point) -> float:
        values = {d.name: d.values[index] for d, index in zip(self.dimensions, point, strict=True)}
        return self._rules.violation(self._develop(values))

    def _obeying(self, values: dict[str, int]) -> dict[str, int]:
        if self._repair is None:
            return values
        point = self._repair.nearest(tuple(d.values.index(values[d.name]) for d in self.dimensions))
        return {d.name: d.values[index] for d, index in zip(self.dimensions, point, strict=True)}

    def _to_values(self, parameters: Mapping[str, int]) -> dict[str, int]:
        if set(parameters) != set(self._by_name):
            wrong = sorted(set(parameters) ^ set(self._by_name))
            raise SpaceError(f"parameters {wrong} do not match the space's {sorted(self._by_name)}")
        return {name: self._by_name[name].to_value(value) for name, value in parameters.items()}

    def _to_parameters(self, values: Mapping[str, int]) -> dict[str, int]:
        return {name: self._by_name[name].to_parameter(value) for name, value in values.items()}

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
        return (self._develop(values) for values in every)
