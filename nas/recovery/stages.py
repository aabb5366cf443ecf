"""Sub-networks between the full model and a target, for pruning and training in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from search_spaces import LayerShape, LayerUnits, ModelShape, SubnetConfig
from search_spaces.subnet import full_layer
from search_spaces.units import Units, count, indices


def shrinking_stages(
    target: SubnetConfig, shape: ModelShape, stages: int, *, layer_order: Sequence[int]
) -> tuple[SubnetConfig, ...]:
    """Nested sub-networks of which each removes an equal share of what the target lacks; the last is it.

    Units go from the least important, layers from the end of `layer_order`. A layer that is to be dropped
    keeps its size until it goes.

    Args:
        target: canonical.
        shape: of the full model.
        stages: how many.
        layer_order: layers from the most to the least important.

    Source: Wang et al. 2025 (Adapt-Pruner, arXiv 2502.03460), whose sparsity also rises evenly; its shares of
    the layers are found anew at each stage, ours are the target's.
    """
    shares = [(stage + 1) / stages for stage in range(stages - 1)]
    earlier = (_between(target, shape, share, layer_order) for share in shares)
    return (*(config.canonical(shape) for config in earlier), target)


def _between(
    target: SubnetConfig, shape: ModelShape, share: float, layer_order: Sequence[int]
) -> SubnetConfig:
    leaving = [layer for layer in reversed(layer_order) if target.layers[layer] is None]
    gone = set(leaving[: round(share * len(leaving))])
    shared = _shared_heads(target, shape, share)
    return SubnetConfig(
        hidden=_shrunk(target.hidden, shape.hidden_size, share),
        layers=tuple(
            None if index in gone else _layer(units, shape.layers[index], share, shared)
            for index, units in enumerate(target.layers)
        ),
    )


def _layer(units: LayerUnits | None, full: LayerShape, share: float, shared: LayerUnits | None) -> LayerUnits:
    wanted = units or full_layer(full)
    stage = LayerUnits(
        heads=_shrunk(wanted.heads, full.num_key_value_heads, share),
        queries=_shrunk(wanted.queries, full.queries_per_head, share)
        if wanted.heads
        else full.queries_per_head,
        ffn=_shrunk(wanted.ffn, full.intermediate_size, share),
    )
    return stage if shared is None else replace(stage, heads=shared.heads, queries=shared.queries)


def _shared_heads(target: SubnetConfig, shape: ModelShape, share: float) -> LayerUnits | None:
    """Heads of every layer at this stage, where the architecture wants them equal; else None."""
    first = target.layers[0]
    if not shape.has_shared_heads or first is None:
        return None
    return _layer(first, shape.layers[0], share, None)


def _shrunk(target: Units, full: int, share: float) -> Units:
    """The target's units and the best of the others, as many as are left at this share of the way."""
    size = full - round(share * (full - count(target)))
    if isinstance(target, int):
        return size
    kept = set(indices(target))
    others = [unit for unit in range(full) if unit not in kept]
    return tuple(sorted(kept.union(others[: size - len(kept)])))
