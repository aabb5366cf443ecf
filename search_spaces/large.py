"""The space with a switch for every head and every group of neurons: Klein et al. 2024 (arXiv 2405.02267),
Sec. 3, LARGE.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final, Literal

import numpy as np

from search_spaces.dimensions import Choices, Dimension, describe
from search_spaces.errors import SpaceError
from search_spaces.heads import known_choices
from search_spaces.limits import SpaceLimits
from search_spaces.shape import ModelShape
from search_spaces.space import SearchSpace
from search_spaces.subnet import LayerUnits, SubnetConfig
from search_spaces.units import indices

_MAX_GROUPS: Final = 16


class LargeSpace(SearchSpace):
    """Any subset of the key-value heads and of the groups of neurons in each layer.

    A key-value head has its query heads with it; in multi-head attention it is a head. Theirs has a switch a
    neuron, which `ffn_group=1` gives; the neurons of a group are neighbours by importance. Where blocks share
    their heads the switches of heads do too, and the first head stays.

    Attributes:
        ffn_group: neurons a switch, as given; None makes at most 16 groups a layer.
    """

    kind = "large"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        portability: Literal["any", "plain"] = "any",
        limits: SpaceLimits | None = None,
        ffn_group: int | None = None,
    ) -> None:
        limits = limits or SpaceLimits()
        known_choices(choices, (), f"the large space of {shape.model_type}")
        limits.check(shape, {})
        self.ffn_group = ffn_group
        self._groups = tuple(
            _group_size(full.intermediate_size, ffn_group, limits.step_of("intermediate_size"))
            for full in shape.layers
        )
        self._is_shared = shape.has_shared_heads
        frozen, dimensions = limits.frozen_layers, []
        for index, full in enumerate(shape.layers):
            numbers = range(full.intermediate_size // self._groups[index])
            if index == 0 or not self._is_shared:
                fixed = index in frozen or (self._is_shared and bool(frozen))
                names = self._head_switches(index, full.num_key_value_heads)
                dimensions += [
                    _switch(n, is_fixed=fixed or (self._is_shared and n == names[0])) for n in names
                ]
            dimensions += [
                _switch(f"layers.{index}.ffn.{number}", is_fixed=index in frozen) for number in numbers
            ]
        super().__init__(shape, dimensions, portability=portability, limits=limits)

    def to_json(self) -> dict[str, Any]:
        """The size of a group too, where it was given."""
        return super().to_json() | ({"ffn_group": self.ffn_group} if self.ffn_group is not None else {})

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        layers = []
        for index, full in enumerate(self.shape.layers):
            switches = self._head_switches(index, full.num_key_value_heads)
            size = self._groups[index]
            groups = [g for g in range(full.intermediate_size // size) if values[f"layers.{index}.ffn.{g}"]]
            layers.append(
                LayerUnits(
                    heads=tuple(head for head, name in enumerate(switches) if values[name]),
                    queries=full.queries_per_head,
                    ffn=tuple(chain.from_iterable(range(g * size, (g + 1) * size) for g in groups)),
                )
            )
        return SubnetConfig(hidden=self.shape.hidden_size, layers=tuple(layers))

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        values: dict[str, int] = {}
        for index, (units, full) in enumerate(zip(config.layers, self.shape.layers, strict=True)):
            heads = set(indices(units.heads)) if units else set()
            neurons = set(indices(units.ffn)) if units else set()
            if index == 0 or not self._is_shared:
                names = self._head_switches(index, full.num_key_value_heads)
                values |= {name: int(head in heads) for head, name in enumerate(names)}
            size = self._groups[index]
            for group in range(full.intermediate_size // size):
                values[f"layers.{index}.ffn.{group}"] = int(group * size in neurons)
        return values

    def _drawn(self, generator: np.random.Generator) -> dict[str, int]:
        """As many units off as a uniform draw from 1 to all says.

        Source: Klein et al. 2024, the sampler of LARGE in their code. Switches drawn one by one would all
        give about half of the model.
        """
        free = [d.name for d in self.dimensions if len(d.values) > 1]
        values = {d.name: 1 for d in self.dimensions}
        if free:
            number = int(generator.integers(1, len(free) + 1))
            values |= {free[i]: 0 for i in generator.choice(len(free), number, replace=False)}
        return values

    def _values_at(self, fraction: float) -> dict[str, int]:
        """The first units of each layer: the most important ones of a ranked supernet."""
        values: dict[str, int] = {}
        for index, full in enumerate(self.shape.layers):
            heads = self._head_switches(index, full.num_key_value_heads)
            groups = full.intermediate_size // self._groups[index]
            for names in (heads, [f"layers.{index}.ffn.{group}" for group in range(groups)]):
                kept = round(fraction * len(names))
                values |= {name: int(place < kept) for place, name in enumerate(names)}
        return {d.name: max(values[d.name], d.values[0]) for d in self.dimensions}

    def _head_switches(self, index: int, number: int) -> list[str]:
        prefix = "" if self._is_shared else f"layers.{index}."
        return [f"{prefix}heads.{head}" for head in range(number)]


def _switch(name: str, *, is_fixed: bool) -> Dimension:
    return Dimension(name, (1,) if is_fixed else (0, 1))


def _group_size(full: int, given: int | None, align: int) -> int:
    """Neurons a switch: the smallest legal number that makes at most 16 of them, unless given."""
    divisors = [size for size in range(1, full + 1) if full % size == 0]
    legal = [size for size in divisors if size % align == 0 or size == full]
    if given is None:
        return next(size for size in legal if full // size <= _MAX_GROUPS)
    if type(given) is not int or given not in legal:
        aligned = f" and are multiples of {align}, which align asks for" if align > 1 else ""
        raise SpaceError(
            f"ffn_group: got {given!r}; allowed are sizes that divide intermediate_size, {full}{aligned}: "
            f"{describe(legal)}"
        )
    return given
