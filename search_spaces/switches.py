"""Spaces whose dimensions are switches: layers or sub-layers, kept whole or removed.

Source: Klein et al. 2024 (arXiv 2405.02267), Sec. 3: `layer` is LAYER, `sublayer` splits a layer's two parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from search_spaces.dimensions import Choices, Dimension
from search_spaces.heads import known_choices
from search_spaces.limits import SpaceLimits
from search_spaces.shape import ModelShape
from search_spaces.space import SearchSpace
from search_spaces.subnet import LayerUnits, SubnetConfig, full_layer
from search_spaces.units import count


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
        portability: Literal["any", "plain"] = "any",
        limits: SpaceLimits | None = None,
    ) -> None:
        _check(shape, choices, limits, f"the layer space of {shape.model_type}")
        # A plain stack keeps at least one layer: the first is fixed, which also spares the zero-layer net.
        is_fixed = portability == "plain" or shape.has_shared_heads
        kept = set(limits.frozen_layers) if limits else set()
        kept |= {stack.start for stack in shape.stacks} if is_fixed else set()
        dimensions = [
            Dimension(f"layers.{index}", (1,) if index in kept else (0, 1))
            for index in range(shape.num_hidden_layers)
        ]
        super().__init__(shape, dimensions, portability=portability, limits=limits)

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
        portability: Literal["any", "plain"] = "any",
        limits: SpaceLimits | None = None,
    ) -> None:
        _check(shape, choices, limits, f"the sublayer space of {shape.model_type}")
        frozen = set(limits.frozen_layers) if limits else set()
        first = {stack.start for stack in shape.stacks} if shape.has_shared_heads else set()
        kept = {"attention": frozen | first, "ffn": frozen}
        dimensions = [
            Dimension(f"layers.{index}.{part}", (1,) if index in kept[part] else (0, 1))
            for index in range(shape.num_hidden_layers)
            for part in ("attention", "ffn")
        ]
        super().__init__(shape, dimensions, portability=portability, limits=limits)

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


def _check(
    shape: ModelShape, choices: Mapping[str, Choices] | None, limits: SpaceLimits | None, where: str
) -> None:
    """Refuse choices of sizes; a number that sizes are aligned to has no effect, since all are full."""
    known_choices(choices, (), where)
    (limits or SpaceLimits()).check(shape, {})
