"""A sub-network as a model of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from nas.elastic import clone_structure, cut
from nas.families import Family, base_prefix
from nas.supernet.activation import (
    PARTS,
    Resized,
    block_attributes,
    configs_of,
    forward_sizes,
    indexed_modules,
    is_removed,
    kept_by_stack,
    remove_part,
)
from search_spaces import ModelShape, SubnetConfig, portability
from search_spaces.units import count


def extract(
    model: PreTrainedModel,
    shape: ModelShape,
    family: Family,
    config: SubnetConfig,
    *,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> PreTrainedModel:
    """Copy the kept slices of a full model into a model without the rest.

    A plain sub-network's config states its sizes, so that `save_pretrained` writes an ordinary folder.

    Args:
        model: the full one.
        shape: its shape.
        family: its family.
        config: a canonical sub-network.
        weights: of its own in place of slices, as `checked_replacements` gives them.
    """
    small: Any = clone_structure(model)
    _drop_blocks(small, shape, family, config)
    _copy_weights(small, shape, config, family, weights or {})
    _own_configs(small, shape, family, config)
    return small  # type: ignore[no-any-return]  # the clone of a PreTrainedModel is one


def _drop_blocks(small: nn.Module, shape: ModelShape, family: Family, config: SubnetConfig) -> None:
    every = family.layers_of(small)
    for stack, full, kept in zip(
        family.stacks_of(small), shape.stacks, kept_by_stack(shape, config), strict=True
    ):
        for new, old in enumerate(kept):
            index = full.start + old
            units, block = config.layers[index], family.block_of(shape, index)
            assert units is not None
            for part in PARTS:
                if is_removed(part, units):
                    remove_part(every[index], block.removed[part])
            if not is_removed("attention", units):
                layer = shape.layers[index]
                for owner, values in block_attributes(every[index], block.attributes, layer, units):
                    owner.__dict__.update(values)
            for module in indexed_modules(every[index]):
                module.__dict__["layer_idx"] = new
        stack._modules = {str(new): every[full.start + old] for new, old in enumerate(kept)}


def _copy_weights(
    small: nn.Module,
    shape: ModelShape,
    config: SubnetConfig,
    family: Family,
    weights: Mapping[str, torch.Tensor],
) -> None:
    """Replace each shared full weight of the clone by a contiguous copy of its kept slice."""
    full_paths = _full_paths(small, shape, config, family)
    copies: dict[int, nn.Parameter] = {}
    for path, owner in small.named_modules():
        for name, parameter in owner._parameters.items():
            if parameter is None:
                continue
            if id(parameter) not in copies:
                layout = shape.by_name[_full_name(f"{path}.{name}" if path else name, full_paths)]
                own = weights.get(layout.tied_to or layout.name)
                if own is None:
                    kept = _own_memory(cut(parameter.detach(), layout, config, shape), parameter)
                else:
                    kept = own.detach().to(parameter.device, parameter.dtype, copy=True)
                copies[id(parameter)] = nn.Parameter(kept, requires_grad=parameter.requires_grad)
            owner._parameters[name] = copies[id(parameter)]
            _set_sizes(owner, name)


def _own_memory(kept: torch.Tensor, full: torch.Tensor) -> torch.Tensor:
    """A contiguous slice that shares nothing with the full weight; what was gathered is copied already."""
    kept = kept.contiguous()
    is_shared = kept.untyped_storage().data_ptr() == full.untyped_storage().data_ptr()
    return kept.clone() if is_shared else kept


def _full_paths(small: nn.Module, shape: ModelShape, config: SubnetConfig, family: Family) -> dict[str, str]:
    """Path of each kept block in the full model by its path in the small one, each with a trailing dot."""
    paths: dict[str, str] = {}
    kept = kept_by_stack(shape, config)
    for block, indices in zip(family.blocks, kept, strict=True):
        stack = f"{base_prefix(small)}{block.path}."
        paths |= {f"{stack}{new}.": f"{stack}{old}." for new, old in enumerate(indices)}
    return paths


def _full_name(name: str, full_paths: dict[str, str]) -> str:
    for path, full in full_paths.items():
        if name.startswith(path):
            return full + name.removeprefix(path)
    return name


def _set_sizes(owner: nn.Module, name: str) -> None:
    weight = owner._parameters[name]
    assert weight is not None
    owner.__dict__.update(forward_sizes(owner, name, weight))
    if name == "weight" and isinstance(owner, nn.Linear):
        owner.out_features, owner.in_features = weight.shape
    if name == "weight" and isinstance(owner, nn.Embedding):
        owner.num_embeddings, owner.embedding_dim = weight.shape
    if name == "weight" and isinstance(owner, (nn.Conv1d, nn.Conv2d)):
        owner.out_channels, owner.in_channels = weight.shape[:2]


def _own_configs(small: Any, shape: ModelShape, family: Family, config: SubnetConfig) -> None:
    """State the depth in the configs, and the sizes too where the stock class can be built from them."""
    kept = kept_by_stack(shape, config)
    is_plain = portability(shape, config) == "plain"
    units = next((units for units in config.layers if units is not None), None)
    for own in configs_of(small).values():
        if isinstance(own, Resized):
            continue
        entries = dict(family.depth(own, kept))
        if is_plain:
            assert units is not None
            entries |= family.plain_sizes(own, count(config.hidden), units)
        for name, value in entries.items():
            setattr(own, name, value)
    for module in small.modules():
        if is_plain and isinstance(module.__dict__.get("config"), Resized):
            module.__dict__["config"] = module.__dict__["config"].original
    if is_plain and count(config.hidden) != shape.hidden_size:
        with torch.no_grad():
            family.refit(small, shape.hidden_size, count(config.hidden))
