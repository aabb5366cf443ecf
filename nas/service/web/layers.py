"""What each layer of a sub-network costs, beside the same layer of the full model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from search_spaces import ModelShape, SubnetConfig
from search_spaces.cost import Costs, Workload, cost
from search_spaces.units import count


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """A layer of a sub-network.

    Attributes:
        name: as people count it; `E1`, `D1` in an encoder-decoder.
        num_parameters: weights of the layer.
        macs: multiply-accumulates of one forward pass in it.
    """

    name: str
    heads: int
    heads_full: int
    ffn: int
    ffn_full: int
    num_parameters: int
    macs: int
    num_parameters_full: int
    macs_full: int

    @property
    def is_removed(self) -> bool:
        """Whether nothing of it is left."""
        return not self.heads and not self.ffn


def layer_costs(shape: ModelShape, config: SubnetConfig, workload: Workload) -> list[LayerCost]:
    """Costs by layer: what the whole loses when the layer is taken out."""
    full = SubnetConfig.full(shape)
    kept, whole = (list(_shares(shape, one, workload)) for one in (config, full))
    return [
        _layer(shape, config, index, (kept[index], whole[index])) for index in range(shape.num_hidden_layers)
    ]


def _layer(
    shape: ModelShape, config: SubnetConfig, index: int, costs: tuple[tuple[int, int], tuple[int, int]]
) -> LayerCost:
    units, full = config.layers[index], shape.layers[index]
    (parameters, macs), (parameters_full, macs_full) = costs
    return LayerCost(
        name=_name(shape, index),
        heads=units.num_attention_heads if units else 0,
        heads_full=full.num_attention_heads,
        ffn=count(units.ffn) if units else 0,
        ffn_full=full.intermediate_size,
        num_parameters=parameters,
        macs=macs,
        num_parameters_full=parameters_full,
        macs_full=macs_full,
    )


def _shares(shape: ModelShape, config: SubnetConfig, workload: Workload) -> Iterator[tuple[int, int]]:
    """Parameters and multiply-accumulates of each layer."""
    whole = cost(shape, config, workload)
    for index, units in enumerate(config.layers):
        layers = tuple(None if index == at else one for at, one in enumerate(config.layers))
        rest: Costs = whole if units is None else cost(shape, replace(config, layers=layers), workload)
        yield whole.num_parameters - rest.num_parameters, whole.macs - rest.macs


def _name(shape: ModelShape, index: int) -> str:
    if not shape.num_encoder_layers:
        return str(index + 1)
    behind = index - shape.num_encoder_layers
    return f"E{index + 1}" if behind < 0 else f"D{behind + 1}"
