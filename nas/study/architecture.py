"""The sizes of a sub-network in a few words."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces import ModelShape, SubnetConfig
from search_spaces.units import count


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortSizes:
    """Sizes of a sub-network as tables show them; a range such as `8-12` where kept layers differ.

    Attributes:
        layers: kept layers; an encoder's and its decoder's as `6+2`.
        heads: query heads of a layer; of grouped-query attention with the key-value heads, as `9/3`.
        ffn: FFN width.
        hidden: embedding dimension.
    """

    layers: str
    heads: str
    ffn: str
    hidden: str

    def __str__(self) -> str:
        layers = f"{self.layers} layer{'' if self.layers == '1' else 's'}"
        heads = f"{self.heads} head{'' if self.heads == '1' else 's'}"
        return f"{layers}, {heads}, FFN {self.ffn}, hidden {self.hidden}"


def short_sizes(shape: ModelShape, config: SubnetConfig) -> ShortSizes:
    """The sizes of a sub-network of a model."""
    kept = [units for units in config.layers if units is not None]
    depths = [sum(index in stack for index in config.kept_layers) for stack in shape.stacks]
    heads = _span([units.num_attention_heads for units in kept])
    if any(full.queries_per_head > 1 for full in shape.layers):
        heads += f"/{_span([count(units.heads) for units in kept])}"
    return ShortSizes(
        layers="+".join(map(str, depths)),
        heads=heads,
        ffn=_span([count(units.ffn) for units in kept]),
        hidden=str(count(config.hidden)),
    )


def _span(values: list[int]) -> str:
    if not values:
        return "0"
    return str(values[0]) if min(values) == max(values) else f"{min(values)}-{max(values)}"
