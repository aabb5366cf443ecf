"""Merging dropped blocks into the kept block before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from nas.compensation.runs import Run
from nas.elastic import permute
from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.supernet.activation import is_removed
from search_spaces import SubnetConfig, TensorLayout


def merged_weights(supernet: Supernet, config: SubnetConfig, runs: Sequence[Run]) -> dict[str, torch.Tensor]:
    """Weights of kept blocks with the differences of the dropped blocks added, whole, by name.

    `W_l + sum_k (W_(l+k) - W_l)` over the dropped blocks `l+k`, of weights as they were before any merging,
    in sub-layers that the kept block keeps, norms and biases included. What a dropped block lacks or has in
    another size stays as it is. Units are brought into the order of the kept block first. Merging blocks
    equal to the kept one changes nothing; a single dropped block takes the kept one's place.

    Source: Yang et al. 2024 (LaCo, arXiv 2402.11187), Eq. 1. The released code subtracts the weight merged so
    far, so that only the last block would stay.

    Raises:
        ConfigError: the supernet was ranked before orders of units were kept.
    """
    if not runs:
        return {}
    _check_orders(supernet)
    parameters = dict(supernet.model.named_parameters(remove_duplicate=False))
    merged = {}
    for run in runs:
        for layout in _mergeable(supernet, config, run.before):
            base = parameters[layout.name].detach()
            others = [_aligned(supernet, parameters, layout, run.before, layer) for layer in run.dropped]
            differences = [other - base for other in others if other is not None]
            if differences:
                merged[layout.name] = base + torch.stack(differences).sum(dim=0)
    return merged


def _check_orders(supernet: Supernet) -> None:
    orders = supernet.unit_orders
    if {"heads", "ffn"} & set(supernet.ranking) and not (orders.heads or orders.ffn):
        raise ConfigError(
            "compensation merge needs the order that ranking gave the units of each layer, which this "
            "supernet was saved without; rank it anew, or use layers: linear_fit or drop"
        )


def _mergeable(supernet: Supernet, config: SubnetConfig, layer: int) -> list[TensorLayout]:
    """Weights of the sub-layers that a block keeps."""
    units = config.layers[layer]
    assert units is not None
    shape = supernet.shape
    return [
        layout
        for layout in shape.tensors
        if layout.layer == layer
        and (layout.part is None or not is_removed(layout.part, units))
        and layout.tied_to is None
    ]


def _aligned(
    supernet: Supernet,
    parameters: Mapping[str, torch.Tensor],
    layout: TensorLayout,
    layer: int,
    other: int,
) -> torch.Tensor | None:
    """The same weight of another block of the stack, its units in this block's order; None if none fits."""
    shape = supernet.shape
    if shape.layers[layer] != shape.layers[other]:
        return None
    start = next(stack.start for stack in shape.stacks if layer in stack)
    name = layout.name.replace(f".{layer - start}.", f".{other - start}.", 1)
    own = shape.by_name.get(name)
    if own is None or own.layer != other or own.dims != layout.dims:
        return None
    orders = supernet.unit_orders.like(other, layer, shape)
    return permute(parameters[own.tied_to or name].detach(), own, orders, shape)
