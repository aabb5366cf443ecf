"""The skyline of a sub-network of a model."""

from __future__ import annotations

from nas.report.skyline import LayerSizes, skyline_svg
from search_spaces import LayerShape, LayerUnits, ModelShape, SubnetConfig
from search_spaces.units import count


def subnet_skyline(shape: ModelShape, config: SubnetConfig, *, title: str = "Sub-network") -> str:
    """The architecture as an SVG picture beside the full model's outline."""
    return skyline_svg(
        [_sizes(units, full) for units, full in zip(config.layers, shape.layers, strict=True)],
        count(config.hidden),
        shape.hidden_size,
        title=title,
        num_encoder_layers=shape.num_encoder_layers,
    )


def _sizes(units: LayerUnits | None, full: LayerShape) -> LayerSizes:
    if units is None:
        return 0, full.num_attention_heads, 0, full.intermediate_size
    return units.num_attention_heads, full.num_attention_heads, count(units.ffn), full.intermediate_size
