"""Spaces with choices of their own for each layer.

Source: Klein et al. 2024 (arXiv 2405.02267), Sec. 3: `medium` is MEDIUM, `layer` is LAYER, `sublayer`
splits a layer's two parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from search_spaces.dimensions import Choices, Dimension, legal_values
from search_spaces.heads import head_dimensions, head_names, head_units, head_values, known_choices
from search_spaces.shape import ModelShape
from search_spaces.space import SearchSpace
from search_spaces.subnet import LayerUnits, SubnetConfig, full_layer
from search_spaces.uniform import dimension, equal_steps
from search_spaces.units import count

Restriction = Literal["any", "plain"]


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
        portability: Restriction = "any",
    ) -> None:
        names = {name for full in shape.layers for name in head_names(full)}
        allowed = (*sorted(names, reverse=True), "intermediate_size", "hidden_size")
        given = known_choices(choices, allowed, f"the medium space of {shape.model_type}")
        dimensions = [dimension("hidden_size", given, [shape.hidden_size], shape.hidden_size)]
        if shape.has_shared_heads:
            dimensions += head_dimensions(given, shape.layers[0], low=1)
        for index, full in enumerate(shape.layers):
            prefix, width = f"layers.{index}.", full.intermediate_size
            if not shape.has_shared_heads:
                dimensions += head_dimensions(given, full, low=0, prefix=prefix)
            sizes = legal_values(
                "intermediate_size",
                given.get("intermediate_size"),
                default=[0, *equal_steps(width, 16)],
                full=width,
                low=0,
            )
            dimensions.append(Dimension(f"{prefix}intermediate_size", sizes))
        super().__init__(shape, dimensions, portability=portability)

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


class _SwitchSpace(SearchSpace):
    """Switches named `layers.INDEX...`; a fraction of the space is that share of layers, spread evenly."""

    def _values_at(self, fraction: float) -> dict[str, int]:
        depth = self.shape.num_hidden_layers
        kept = round(fraction * depth)
        values = {}
        for switch in self.dimensions:
            index = int(switch.name.split(".")[1])
            is_on = index * kept % depth < kept
            values[switch.name] = switch.values[-1 if is_on else 0]
        return values


class LayerSpace(_SwitchSpace):
    """Each layer kept whole or dropped."""

    kind = "layer"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        portability: Restriction = "any",
    ) -> None:
        known_choices(choices, (), f"the layer space of {shape.model_type}")
        # A plain stack keeps at least one layer: the first is fixed, which also spares the zero-layer net.
        is_fixed = portability == "plain" or shape.has_shared_heads
        first = {stack.start for stack in shape.stacks} if is_fixed else set()
        dimensions = [
            Dimension(f"layers.{index}", (1,) if index in first else (0, 1))
            for index in range(shape.num_hidden_layers)
        ]
        super().__init__(shape, dimensions, portability=portability)

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        layers = tuple(
            full_layer(full) if values[f"layers.{index}"] else None
            for index, full in enumerate(self.shape.layers)
        )
        return SubnetConfig(hidden=self.shape.hidden_size, layers=layers)

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        return {f"layers.{index}": int(units is not None) for index, units in enumerate(config.layers)}


class SublayerSpace(_SwitchSpace):
    """Attention and feed-forward of each layer kept whole or removed."""

    kind = "sublayer"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        portability: Restriction = "any",
    ) -> None:
        known_choices(choices, (), f"the sublayer space of {shape.model_type}")
        fixed = {stack.start for stack in shape.stacks} if shape.has_shared_heads else set()
        dimensions = [
            Dimension(f"layers.{index}.{part}", (1,) if part == "attention" and index in fixed else (0, 1))
            for index in range(shape.num_hidden_layers)
            for part in ("attention", "ffn")
        ]
        super().__init__(shape, dimensions, portability=portability)

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        layers = tuple(
            LayerUnits(
                heads=values[f"layers.{index}.attention"] * full.num_key_value_heads,
                queries=full.queries_per_head,
                ffn=values[f"layers.{index}.ffn"] * full.intermediate_size,
            )
            for index, full in enumerate(self.shape.layers)
        )
        return SubnetConfig(hidden=self.shape.hidden_size, layers=layers)

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        values = {}
        for index, units in enumerate(config.layers):
            values[f"layers.{index}.attention"] = int(units is not None and count(units.heads) > 0)
            values[f"layers.{index}.ffn"] = int(units is not None and count(units.ffn) > 0)
        return values
