"""The space with sizes of their own for each layer: Klein et al. 2024 (arXiv 2405.02267), Sec. 3, MEDIUM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from search_spaces.dimensions import Choices, Dimension, legal_values
from search_spaces.heads import (
    all_heads,
    frozen_heads,
    head_dimensions,
    head_names,
    head_units,
    head_values,
    known_choices,
)
from search_spaces.limits import SpaceLimits
from search_spaces.shape import LayerShape, ModelShape
from search_spaces.space import SearchSpace
from search_spaces.subnet import SubnetConfig
from search_spaces.uniform import dimension, equal_steps
from search_spaces.units import count


class MediumSpace(SearchSpace):
    """Heads and FFN width chosen for each layer; 0 removes the sub-layer. The embedding stays whole
    unless `hidden_size` is given.

    Where blocks share their heads (`ModelShape.has_shared_heads`) these are one choice for all, at least 1.
    """

    kind = "medium"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        portability: Literal["any", "plain"] = "any",
        limits: SpaceLimits | None = None,
    ) -> None:
        limits = limits or SpaceLimits()
        names = {name for full in shape.layers for name in head_names(full)}
        allowed = (*sorted(names, reverse=True), "intermediate_size", "hidden_size")
        given = known_choices(choices, allowed, f"the {self.kind} space of {shape.model_type}")
        limits.check(shape, given)
        full, step = shape.hidden_size, limits.step_of("hidden_size")
        dimensions = [dimension("hidden_size", given, [full], full, align=step)]
        if shape.has_shared_heads and limits.frozen_layers:
            dimensions += frozen_heads(given, shape.layers[0], shape.model_type)
        elif shape.has_shared_heads:
            dimensions += head_dimensions(given, shape.layers[0], low=1, step_of=limits.step_of)
        for index, layer in enumerate(shape.layers):
            prefix, is_frozen = f"layers.{index}.", index in limits.frozen_layers
            if not shape.has_shared_heads and is_frozen:
                dimensions += all_heads(layer, prefix=prefix)
            elif not shape.has_shared_heads:
                dimensions += head_dimensions(given, layer, low=0, prefix=prefix, step_of=limits.step_of)
            dimensions.append(_width(prefix, given, layer, limits, is_frozen=is_frozen))
        super().__init__(shape, dimensions, portability=portability, limits=limits)

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        layers = []
        for index, full in enumerate(self.shape.layers):
            prefix = self._head_prefix(index)
            heads = {name: values[prefix + name] for name in head_names(full)}
            layers.append(head_units(heads, full, values[f"layers.{index}.intermediate_size"]))
        return SubnetConfig(hidden=values["hidden_size"], layers=tuple(layers))

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        values = {"hidden_size": count(config.hidden)}
        for index, (units, full) in enumerate(zip(config.layers, self.shape.layers, strict=True)):
            prefix = self._head_prefix(index)
            if prefix or index == 0:
                values |= {prefix + name: value for name, value in head_values(units, full).items()}
            values[f"layers.{index}.intermediate_size"] = count(units.ffn) if units else 0
        return values

    def _head_prefix(self, index: int) -> str:
        return "" if self.shape.has_shared_heads else f"layers.{index}."


def _width(
    prefix: str, given: Mapping[str, Choices], full: LayerShape, limits: SpaceLimits, *, is_frozen: bool
) -> Dimension:
    """The FFN width of a block, 0 included."""
    name, width = "intermediate_size", full.intermediate_size
    if is_frozen:
        return Dimension(prefix + name, (width,))
    default = [0, *equal_steps(width, 16)]
    step = limits.step_of(name)
    return Dimension(
        prefix + name, legal_values(name, given.get(name), default=default, full=width, low=0, align=step)
    )
