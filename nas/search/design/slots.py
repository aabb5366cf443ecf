"""A search space as slots that are filled independently: what greedy descent and the knapsack choose from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from search_spaces import Dimension, SearchSpace, SubnetConfig

_OF_LAYER: Final = re.compile(r"layers\.(\d+)(\..+)?")
_NUMBERED: Final = re.compile(r"\.\d+$")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One choice: a dimension, or switches of the same part of a layer, which go off from the last on.

    Attributes:
        name: of the dimension, or what the switches' names have in common.
        layer: the block that it belongs to, None where it shapes several.
        fillings: flat parameters of its dimensions, the smallest first.
    """

    name: str
    layer: int | None
    fillings: tuple[Mapping[str, int], ...]


def slots_of(space: SearchSpace) -> tuple[Slot, ...]:
    """All slots of a space; one filling of each is a point of it, or near one (`config_of`)."""
    parts: dict[str, list[Dimension]] = {}
    for dimension in space.dimensions:
        parts.setdefault(_part(dimension.name), []).append(dimension)
    return tuple(
        Slot(name=name, layer=_layer(name), fillings=_fillings(dimensions))
        for name, dimensions in parts.items()
    )


def thinned(slot: Slot, most: int) -> Slot:
    """At most so many fillings, evenly spaced, the smallest and the largest among them."""
    number = len(slot.fillings)
    if number <= most:
        return slot
    kept = sorted({round(step * (number - 1) / (most - 1)) for step in range(most)})
    return Slot(name=slot.name, layer=slot.layer, fillings=tuple(slot.fillings[index] for index in kept))


def config_of(space: SearchSpace, parameters: Mapping[str, int]) -> SubnetConfig:
    """The sub-network of flat parameters, or of near ones that obey the rules of the space."""
    return space.decode(space.repaired(parameters))


def merged(fillings: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Flat parameters of all slots together."""
    return {name: value for filling in fillings for name, value in filling.items()}


def _part(name: str) -> str:
    """Name without the number of a switch; that of a whole layer has no other."""
    match = _OF_LAYER.fullmatch(name)
    if match is None or match[2] is None:
        return name
    return f"layers.{match[1]}{_NUMBERED.sub('', match[2])}"


def _layer(name: str) -> int | None:
    match = _OF_LAYER.fullmatch(name)
    return int(match[1]) if match else None


def _fillings(dimensions: Sequence[Dimension]) -> tuple[Mapping[str, int], ...]:
    if len(dimensions) == 1:
        (one,) = dimensions
        return tuple({one.name: one.to_parameter(value)} for value in one.values)
    low = [one.to_parameter(one.values[0]) for one in dimensions]
    high = [one.to_parameter(one.values[-1]) for one in dimensions]
    names = [one.name for one in dimensions]
    count = len(names)
    rows = ([*high[:kept], *low[kept:]] for kept in range(count + 1))
    return tuple(dict(zip(names, row, strict=True)) for row in rows)
