"""One function cuts tensors: for the elastic forward, for extraction and for export alike.

A tensor's dimension is a row of segments (`search_spaces.shape`); the kept units of each segment's axis
are expanded to elements. A prefix of a single segment is a view, any other set is gathered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from search_spaces import LayerUnits, ModelShape, Segment, SubnetConfig, TensorLayout
from search_spaces.units import indices

Elements = int | torch.Tensor


def cut(tensor: torch.Tensor, layout: TensorLayout, config: SubnetConfig, shape: ModelShape) -> torch.Tensor:
    """The part of a weight that a sub-network keeps.

    Args:
        tensor: the full weight, dimensions as `layout` says.
        layout: axes of each dimension; its layer must be kept by `config`.
        config: a canonical sub-network.
        shape: the full model.

    Returns:
        A view where only prefixes are kept, otherwise a gathered copy; both pass gradients to `tensor`.
    """
    for dim, segments in enumerate(layout.dims):
        elements = _kept_elements(segments, layout.layer, config, shape)
        if isinstance(elements, int):
            if elements != tensor.shape[dim]:
                tensor = tensor.narrow(dim, 0, elements)
        else:
            tensor = tensor.index_select(dim, elements.to(tensor.device))
    return tensor


def cut_size(layout: TensorLayout, config: SubnetConfig, shape: ModelShape) -> tuple[int, ...]:
    """Size of what `cut` keeps of a weight."""
    kept = (_kept_elements(segments, layout.layer, config, shape) for segments in layout.dims)
    return tuple(elements if isinstance(elements, int) else len(elements) for elements in kept)


def _kept_elements(
    segments: Sequence[Segment], layer: int | None, config: SubnetConfig, shape: ModelShape
) -> Elements:
    """Kept elements along one tensor dimension: a count where they are a prefix, else their indices."""
    units = None if layer is None else config.layers[layer]
    if len(segments) == 1:
        segment = segments[0]
        prefix = _prefix(segment, units, config, shape, layer)
        if prefix is not None:
            return prefix * segment.size
    pieces, offset = [], 0
    for segment in segments:
        kept = _kept_units(segment, units, config, shape, layer)
        pieces.append(_expand(kept, segment) + offset)
        offset += full_size(segment, layer, shape)
    return torch.from_numpy(np.concatenate(pieces))


def full_size(segment: Segment, layer: int | None, shape: ModelShape) -> int:
    """Elements of a whole segment."""
    if segment.axis == "fixed":
        return segment.size
    if segment.axis == "hidden":
        return shape.hidden_size * segment.size
    assert layer is not None, f"axis {segment.axis} lies in a layer"
    full = shape.layers[layer]
    units = {
        "heads": full.num_key_value_heads,
        "queries": full.num_attention_heads,
        "ffn": full.intermediate_size,
    }
    return units[segment.axis] * segment.size


@dataclass(frozen=True, kw_only=True)
class AxisOrders:
    """New orders of units: position i takes the unit `order[i]`. An axis left out keeps its order.

    Attributes:
        hidden: residual channels, `(hidden_size,)`.
        heads: key-value heads by layer, `(num_key_value_heads,)` each.
        queries: query heads inside a key-value head by layer, `(num_key_value_heads, queries_per_head)`.
        ffn: intermediate neurons by layer, `(intermediate_size,)` each.
    """

    hidden: np.ndarray | None = None
    heads: Mapping[int, np.ndarray] = field(default_factory=dict)
    queries: Mapping[int, np.ndarray] = field(default_factory=dict)
    ffn: Mapping[int, np.ndarray] = field(default_factory=dict)


def permute(
    tensor: torch.Tensor, layout: TensorLayout, orders: AxisOrders, shape: ModelShape
) -> torch.Tensor:
    """A weight with its units in a new order; a copy, or `tensor` itself where nothing moves.

    Permuting every weight by the same orders leaves the model's function unchanged.
    """
    for dim, segments in enumerate(layout.dims):
        unit_orders = [_order(segment, layout.layer, orders, shape) for segment in segments]
        if all(order is None for order in unit_orders):
            continue
        pieces, offset = [], 0
        for segment, order in zip(segments, unit_orders, strict=True):
            size = full_size(segment, layout.layer, shape)
            kept = (
                np.arange(size // segment.size if segment.axis != "fixed" else 1) if order is None else order
            )
            pieces.append(_expand(kept, segment) + offset)
            offset += size
        tensor = tensor.index_select(dim, torch.from_numpy(np.concatenate(pieces)).to(tensor.device))
    return tensor


def _prefix(
    segment: Segment, units: LayerUnits | None, config: SubnetConfig, shape: ModelShape, layer: int | None
) -> int | None:
    """Kept units where they are a prefix of the segment, else None."""
    if segment.axis == "fixed":
        return 1
    if segment.axis == "hidden":
        return config.hidden if isinstance(config.hidden, int) else None
    assert units is not None
    assert layer is not None
    if segment.axis == "ffn":
        return units.ffn if isinstance(units.ffn, int) else None
    if segment.axis == "heads":
        return units.heads if isinstance(units.heads, int) else None
    full = shape.layers[layer].queries_per_head
    is_prefix = isinstance(units.heads, int) and (units.queries == full or units.heads <= 1)
    return units.num_attention_heads if is_prefix and isinstance(units.queries, int) else None


def _kept_units(
    segment: Segment, units: LayerUnits | None, config: SubnetConfig, shape: ModelShape, layer: int | None
) -> np.ndarray:
    if segment.axis == "fixed":
        return np.arange(1)
    if segment.axis == "hidden":
        return np.asarray(indices(config.hidden), dtype=np.int64)
    assert units is not None
    assert layer is not None
    if segment.axis == "ffn":
        return np.asarray(indices(units.ffn), dtype=np.int64)
    heads = np.asarray(indices(units.heads), dtype=np.int64)
    if segment.axis == "heads":
        return heads
    queries = np.asarray(indices(units.queries), dtype=np.int64)
    return (heads[:, None] * shape.layers[layer].queries_per_head + queries[None, :]).reshape(-1)


def _order(segment: Segment, layer: int | None, orders: AxisOrders, shape: ModelShape) -> np.ndarray | None:
    if segment.axis == "fixed":
        return None
    if segment.axis == "hidden":
        return orders.hidden
    assert layer is not None
    if segment.axis == "ffn":
        return orders.ffn.get(layer)
    heads = orders.heads.get(layer)
    if segment.axis == "heads":
        return heads
    queries = orders.queries.get(layer)
    if heads is None and queries is None:
        return None
    full = shape.layers[layer]
    within = np.tile(np.arange(full.queries_per_head), (full.num_key_value_heads, 1))
    table = np.arange(full.num_key_value_heads)[:, None] * full.queries_per_head
    table = table + (within if queries is None else queries)
    return (table if heads is None else table[heads]).reshape(-1)


def _expand(units: np.ndarray, segment: Segment) -> np.ndarray:
    """Elements of units, `(len(units) * segment.size,)`."""
    return (units.astype(np.int64)[:, None] * segment.size + np.arange(segment.size)).reshape(-1)
